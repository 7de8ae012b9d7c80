"""The command `python -m services.news rebuild`: build all timelines anew, beside those in force.

Readers notice nothing. It may be run at any time and in any pod; while another process builds, it waits.

Exit codes: 0 done, 1 failed, 2 wrong settings.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from services.kit import settings as settings_
from services.kit.errors import Problem
from services.kit.http import open_client
from services.kit.settings import InvalidSettings
from services.news.connection import open_redis
from services.news.deps import compose
from services.news.rebuilding import Built, LeaseLost
from services.news.settings import NewsSettings
from telemetry import logs

WAIT_S = 0.5


def main(arguments: Sequence[str]) -> NoReturn:
    """Rebuild and exit."""
    argparse.ArgumentParser(prog="python -m services.news rebuild").parse_args(arguments)
    begun = time.perf_counter()
    try:
        settings = settings_.load(NewsSettings)
        logs.configure(settings.log_level, service="news")
        built = asyncio.run(_rebuild(settings))
    except InvalidSettings as error:
        _exit(2, f"services.news: {error}")
    except (Problem, OSError) as error:
        _exit(1, f"services.news: {error}")
    sys.stdout.write(
        f"Timelines of {built.readers} readers built anew from {built.links} links of {built.authors} authors"
        f" and {built.edges} follows, in {time.perf_counter() - begun:.1f} s.\n"
    )
    sys.exit(0)


async def _rebuild(settings: NewsSettings) -> Built:
    async with open_redis(settings.redis_url) as redis, open_client() as http:
        builder = compose(settings, redis, http)
        while True:
            try:
                return await builder.rebuild()
            except LeaseLost:
                await asyncio.sleep(WAIT_S)


def _exit(code: int, sentence: str) -> NoReturn:
    sys.stderr.write(sentence + "\n")
    sys.exit(code)

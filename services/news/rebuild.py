"""The command `python -m services.news rebuild`: build all timelines anew, beside those in force.

Readers notice nothing. It may be run at any time and in any pod; while another process builds, it waits.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

from services.kit.errors import Problem
from services.kit.http import open_client
from services.kit.process import begin, ending
from services.news.connection import open_redis
from services.news.deps import compose
from services.news.rebuilding import Built, LeaseLost
from services.news.settings import NewsSettings

WAIT_S = 0.5


def main(arguments: Sequence[str]) -> None:
    """Rebuild and exit."""
    argparse.ArgumentParser(prog="python -m services.news rebuild").parse_args(arguments)
    begun = time.perf_counter()
    with ending("services.news", Problem, OSError):
        built = asyncio.run(_rebuild(begin("services.news", NewsSettings)))
        sys.stdout.write(
            f"Timelines of {built.readers} readers built anew from {built.links} links of {built.authors}"
            f" authors and {built.edges} follows, in {time.perf_counter() - begun:.1f} s.\n"
        )


async def _rebuild(settings: NewsSettings) -> Built:
    async with open_redis(settings.redis_url) as redis, open_client() as http:
        builder = compose(settings, redis, http)
        while True:
            try:
                return await builder.rebuild()
            except LeaseLost:
                await asyncio.sleep(WAIT_S)

"""Tells the link checker of the links that are older than its events: once, and when somebody asks for it.

The checker keeps how far it was told. It does not ask itself, since it visits what strangers name: it may
call nobody in the mesh, and hears the addresses of links only.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import structlog

from services.kit.background import background
from services.kit.db import open_pool
from services.kit.errors import Problem
from services.kit.http import open_client
from services.kit.process import begin, ending
from services.link_checker.client import OLDER_LINKS, KnownLink, LinkCheckerClient, OlderLinks
from services.links.feed_store import FeedStore
from services.links.settings import LinksSettings

AGAIN_S = 1.0
AGAIN_AT_MOST_S = 60.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Backfill:
    """Several replicas may tell at the same time: what comes twice changes nothing."""

    feeds: FeedStore
    checker: LinkCheckerClient

    async def run(self) -> int:
        """Tell of what the checker has not been told; how many links that were. Raises the kit's Problems."""
        told = 0
        progress = await self.checker.backfill()
        while not progress.done:
            after = progress.after
            found, more = await self.feeds.everything(None, (after.owner_id, after.link_id), OLDER_LINKS)
            links = [KnownLink(link.owner_id, link.id, link.url, link.version) for link in found]
            page = OlderLinks(after=after, links=links, last=not more)
            progress = await self.checker.tell(page)
            told += len(links)
        return told

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do it in the background of the block; while the checker is away, later."""
        async with background(self._until_told()):
            yield

    async def _until_told(self) -> None:
        pause = AGAIN_S
        while True:
            try:
                told = await self.run()
            except (Problem, asyncpg.PostgresError, OSError) as error:
                _log.info("the link checker cannot be told now, trying again", error=repr(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, AGAIN_AT_MOST_S)
            else:
                _log.info("the link checker knows of all links", told=told)
                return


def main(arguments: Sequence[str]) -> None:
    """`python -m services.links backfill`: tell the link checker of all links anew, and exit.

    What fails half-way goes on when a pod of the service starts.
    """
    argparse.ArgumentParser(prog="python -m services.links backfill").parse_args(arguments)
    begun = time.perf_counter()
    with ending("services.links", Problem, asyncpg.PostgresError, OSError):
        told = asyncio.run(_anew(begin("services.links", LinksSettings)))
        sys.stdout.write(
            f"The link checker was told of {told} links, in {time.perf_counter() - begun:.1f} s.\n"
        )


async def _anew(settings: LinksSettings) -> int:
    async with open_pool(settings) as database, open_client() as http:
        checker = LinkCheckerClient(http, settings.service_token, settings.link_checker_url)
        await checker.restart_backfill()
        return await Backfill(FeedStore(database), checker).run()

"""Links from before this service listened: `links` tells of them page by page, and is told from where on.

The one who is told keeps the place: so it goes on where it stopped, whichever replica tells, and an empty
database begins at the beginning. What an event told meanwhile is newer by its version.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from services.link_checker.backfill_store import BackfillStore
from services.link_checker.consuming import host_of
from services.link_checker.domain import OlderLinks, Place, Progress
from services.link_checker.refs_store import RefsStore


@dataclass(frozen=True)
class Backfill:
    """Takes one page after the other."""

    store: BackfillStore
    refs: RefsStore
    clock: Callable[[], dt.datetime]

    async def take(self, page: OlderLinks) -> Progress:
        """Follow the links of a page that begins where the last one ended; any other changes nothing."""
        standing = await self.store.progress()
        if standing.done or page.after != standing.after:
            return standing
        for link in await self.store.unknown(page.links):
            await self.refs.save(link, host_of(link.url), self.clock())
        place = Place(page.links[-1].owner_id, page.links[-1].id) if page.links else page.after
        await self.store.advance(page.after, place, self.clock() if page.last else None)
        return await self.store.progress()

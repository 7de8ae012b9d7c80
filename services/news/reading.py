"""A reader's news: the timeline that was written for the reader, and the hot authors', merged.

Positions are only hints. An item is shown when its author is followed now and the link is at that position
now, so that whatever ends an item's being shown does so at once, in one place, however many timelines still
hold its position. A timeline in which too many have become void is filled again from the authors' lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import structlog

from services.kit.errors import Unavailable
from services.news import domain
from services.news.author_store import AuthorStore
from services.news.domain import Cursor, Entry
from services.news.epoch_store import EpochStore
from services.news.reader_store import ReaderStore

TOP = b"+"
# More than are wanted are looked at in one round: a few may be void.
SPARE = 8
AUTHORS_AT_ONCE = 100
FEW = 16
ATTEMPTS = 5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Round:
    """One look: what was found, down to where, whether there is more below, and whether that is known."""

    entries: Sequence[Entry]
    down_to: bytes
    exhausted: bool
    unknown_below: bool


@dataclass(frozen=True)
class News:
    """Reads; raises Unavailable while Redis is away or everything is being built."""

    readers: ReaderStore
    authors: AuthorStore
    epochs: EpochStore
    cap: int

    async def page(
        self, reader_id: int, limit: int, after: Cursor | None = None
    ) -> tuple[list[Entry], Cursor | None]:
        """A page below a cursor, and the cursor of the next one; the newest `cap` items are all there is."""
        shown = after.shown if after else 0
        wanted = min(limit, self.cap - shown)
        if wanted <= 0:
            return [], None
        # One more, to know whether there is a next page.
        found = await self.newest(
            reader_id, min(wanted + 1, self.cap - shown), after.position if after else TOP
        )
        entries = found[:wanted]
        more = len(found) > wanted
        return entries, Cursor(entries[-1].position, shown + wanted) if more else None

    async def newest(self, reader_id: int, most: int, below: bytes = TOP) -> list[Entry]:
        """The newest items below a position."""
        current = (await self.epochs.standing()).current
        if current is None:
            raise Unavailable("the timelines are being built anew")
        return await self.newest_in(current.name, reader_id, most, below)

    async def newest_in(self, epoch: str, reader_id: int, most: int, below: bytes = TOP) -> list[Entry]:
        """The newest items in one epoch, whether it is in force or not."""
        found: list[Entry] = []
        filled = False
        while len(found) < most:
            seen = await self._look(epoch, reader_id, below, most - len(found) + SPARE)
            found += seen.entries
            below = seen.down_to
            if not seen.exhausted:
                continue
            if len(found) >= most or filled or not seen.unknown_below:
                break
            filled = True
            if not await self._fill_void(epoch, reader_id):
                break
        return found[:most]

    async def _look(self, epoch: str, reader_id: int, below: bytes, most: int) -> Round:
        upper = below if below == TOP else b"(" + below
        written = await self.readers.read(epoch, reader_id, upper, most)
        hot = await self.authors.hot(epoch)
        asked = hot | {domain.owner_of(at) for at in written.positions}
        followed = await self.readers.followed(epoch, reader_id, asked)
        lists = await self.authors.newest(epoch, sorted(hot & followed), upper, most)
        candidates = domain.merged([written.positions, *lists], most)
        exhausted = len(candidates) < most
        unknown_below = False
        if len(written.positions) < most and written.floor:
            # What is below the floor was written once and cut off; the hot authors' alone would leave gaps.
            above = [at for at in candidates if at > written.floor]
            unknown_below = True
            exhausted = exhausted or len(above) < len(candidates)
            candidates = above
        live = [at for at in candidates if domain.owner_of(at) in followed]
        entries = [each for each in await self.authors.entries(epoch, live) if each is not None]
        return Round(entries, candidates[-1] if candidates else below, exhausted, unknown_below)

    async def _fill_void(self, epoch: str, reader_id: int) -> bool:
        """Fill a timeline again if too much of it is void; whether it was."""
        held = (await self.readers.read(epoch, reader_id, TOP, domain.bound(self.cap))).positions
        followed = await self.readers.followed(epoch, reader_id, {domain.owner_of(at) for at in held})
        live = [at for at in held if domain.owner_of(at) in followed]
        if sum(each is not None for each in await self.authors.entries(epoch, live)) >= self.cap:
            return False
        await self.fill(epoch, reader_id)
        return True

    async def fill(self, epoch: str, reader_id: int) -> None:
        """Make a timeline anew from the lists of everybody whom the reader follows."""
        most = domain.bound(self.cap)
        for _ in range(ATTEMPTS):
            following = await self.readers.following(epoch, reader_id)
            hot = await self.authors.hot(epoch)
            cold = [author for author in following.authors if author not in hot]
            best = await self._best(epoch, cold, most + 1)
            floor = best[most] if len(best) > most else b""
            if await self.readers.replace(epoch, reader_id, following.generation, floor, best[:most]):
                return
        # It stays as it is, complete down to its floor; the next one who reads that far tries again.
        _log.warning("a timeline changes too fast to be filled", reader=reader_id)

    async def _best(self, epoch: str, authors: Sequence[int], most: int) -> list[bytes]:
        """The newest positions of all authors: a few of each, and more of those whose few are all new."""
        best: list[bytes] = []
        for begin in range(0, len(authors), AUTHORS_AT_ONCE):
            batch = authors[begin : begin + AUTHORS_AT_ONCE]
            lists = await self.authors.newest(epoch, batch, TOP, FEW)
            best = domain.newest(chain([best], lists), most)
            last = best[-1] if len(best) == most else b""
            long = [
                author
                for author, found in zip(batch, lists, strict=True)
                if len(found) == FEW and found[-1] >= last
            ]
            best = domain.newest(chain([best], await self.authors.newest(epoch, long, TOP, most)), most)
        return best

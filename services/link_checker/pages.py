"""A page for a form: fetched at once for somebody who waits, so quickly or not at all."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.kit.errors import TooManyRequests, Unprocessable
from services.link_checker.domain import Finding, PageInfo, suggestion
from services.link_checker.fetching.errors import Busy, FetchError
from services.link_checker.fetching.fetcher import Fetcher, Limits
from services.link_checker.fetching.targets import Target
from services.link_checker.fetching.turns import Turns
from services.link_checker.fetching.visits import PAGE_BYTES, finding_of, of_status, page_of
from services.link_checker.metrics import Metrics

# Less than the deadline of the operation (10 s).
LIMITS = Limits(total_s=8.0, connect_s=3.0, silence_s=5.0, redirects=5)
PATIENCE_S = 2.0
BURST_S = 10.0


class NoPage(Unprocessable):
    """The page cannot be had; the member `reason` is a finding's word, or `refused-by-server` (401, 403 ...).

    Not a 502, whoever is to blame: the mesh would take this service for a broken one.
    """

    title = "No page there"


class Bucket:
    """So many per second, and a burst; `clock` gives seconds that only grow."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def take(self) -> float:
        """Take one: 0, or after how many seconds there is one."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._per_s)
        self._at = now
        if self._level < 1:
            return (1 - self._level) / self._per_s
        self._level -= 1
        return 0.0


class Pages:
    """Fetches pages, `places` at a time.

    robots.txt is not asked: a person is about to save this page and looks at it. One request at a time to
    each host still holds, so that nobody is flooded through us.
    """

    def __init__(self, fetcher: Fetcher, bucket: Bucket, places: int, metrics: Metrics) -> None:
        self._fetcher = fetcher
        self._bucket = bucket
        self.places = places
        self._metrics = metrics
        self._running = 0
        self._turns = Turns(PATIENCE_S)

    async def fetch(self, url: str) -> PageInfo:
        """What the page says of itself. Raises NoPage or TooManyRequests."""
        if self._running >= self.places:
            raise TooManyRequests("many pages are being fetched", retry_after_s=1)
        if wait_s := self._bucket.take():
            raise TooManyRequests("many pages were fetched", retry_after_s=wait_s)
        self._running += 1
        try:
            return await self._fetch(url)
        finally:
            self._running -= 1

    async def _fetch(self, url: str) -> PageInfo:
        try:
            answer = await self._fetcher.fetch("GET", url, body_bytes=PAGE_BYTES, before=self._before)
            finding = of_status(answer)
        except Busy as error:
            self._metrics.pages[Finding.BUSY].inc()
            raise TooManyRequests("others are at this host", retry_after_s=1) from error
        except FetchError as error:
            finding = finding_of(error)
            self._metrics.pages[finding].inc()
            raise NoPage("the page could not be fetched", reason=finding.value) from error
        self._metrics.pages[finding].inc()
        if answer.status >= 400:
            raise NoPage(f"the server answered {answer.status}", reason=finding.value or "refused-by-server")
        page = await page_of(answer)
        lasting = suggestion(url, answer.moved_to.url if answer.moved_to is not None else None)
        return PageInfo(url=lasting or url, title=page.title, description=page.description, image=page.image)

    @asynccontextmanager
    async def _before(self, target: Target) -> AsyncIterator[None]:
        async with self._turns.take(target.host, 0.0):
            yield

"""One check of one address: what its server says now, and what the page says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

import msgspec

from services.link_checker.domain import Finding, Outcome, suggestion
from services.link_checker.fetching import charsets, errors, markup
from services.link_checker.fetching.fetcher import Answer, Fetcher
from services.link_checker.fetching.markup import Page
from services.link_checker.fetching.robots import Robots
from services.link_checker.fetching.targets import Target
from services.link_checker.fetching.turns import Turns

# All of it: robots.txt, HEAD, GET, the pauses between.
VISIT_S = 75.0
PAGE_BYTES = 256 * 1024
# Of a page that is only asked whether it is there.
PROBE_BYTES = 1024
# A site that asks for more patience than this is asked again then all the same.
MAX_RETRY_AFTER_S = 7 * 24 * 60 * 60.0
_HTML = ("text/html", "application/xhtml+xml")

_FINDINGS: tuple[tuple[type[errors.FetchError], Finding], ...] = (
    # The same for both, or a stranger could ask which names there are in our own network.
    (errors.RefusedAddress, Finding.NO_PUBLIC_ADDRESS),
    (errors.NameNotFound, Finding.NO_PUBLIC_ADDRESS),
    (errors.Refused, Finding.REFUSED),
    (errors.NameUnclear, Finding.UNCLEAR),
    (errors.ConnectFailed, Finding.CONNECTION),
    (errors.TlsFailed, Finding.TLS),
    (errors.TimedOut, Finding.TIMEOUT),
    (errors.BadAnswer, Finding.BAD_ANSWER),
    (errors.TooManyRedirects, Finding.REDIRECTS),
    (errors.Disallowed, Finding.ROBOTS),
    (errors.Busy, Finding.BUSY),
)


class Clock(Protocol):
    """Seconds since 1970."""

    def __call__(self) -> float: ...


@dataclass(frozen=True)
class Visits:
    """Checks made of the fetcher, with manners. `pause_s` lies between two requests to one host."""

    fetcher: Fetcher
    robots: Robots
    turns: Turns
    clock: Clock
    pause_s: float = 1.0

    async def check(self, url: str, *, with_page: bool) -> Outcome:
        """Whether an address answers; `with_page` also what its page says. Raises no FetchError.

        HEAD first, unless the page is wanted; what HEAD does not answer well is asked again by GET, since
        many servers know no HEAD.
        """
        visit = _Visit(self)
        try:
            async with asyncio.timeout(VISIT_S):
                answer = await (visit.page(url) if with_page else visit.presence(url))
                page = await page_of(answer) if with_page else Page()
        except TimeoutError:
            return Outcome(finding=Finding.TIMEOUT, detail="the whole visit", pause_s=visit.delay_s)
        except errors.FetchError as error:
            again = error.retry_after_s if isinstance(error, errors.Busy) else None
            return Outcome(
                finding=finding_of(error), detail=str(error), retry_after_s=again, pause_s=visit.delay_s
            )
        return msgspec.structs.replace(self._outcome(url, answer, page), pause_s=visit.delay_s)

    def _outcome(self, url: str, answer: Answer, page: Page) -> Outcome:
        return Outcome(
            finding=of_status(answer),
            status=answer.status,
            suggested_url=suggestion(url, answer.moved_to.url if answer.moved_to is not None else None),
            title=page.title,
            description=page.description,
            retry_after_s=_retry_after_s(answer.header("retry-after"), self.clock),
        )


@dataclass
class _Visit:
    """The requests of one check; `delay_s` is what the sites on the way want between two checks."""

    visits: Visits
    delay_s: float = 0.0

    async def presence(self, url: str) -> Answer:
        """Whether something is there."""
        return await self._head(url) or await self._get(url, PROBE_BYTES)

    async def page(self, url: str) -> Answer:
        """The page; of one that never ends, or that is a bomb, only that it is there."""
        try:
            return await self._get(url, PAGE_BYTES)
        except (errors.BadAnswer, errors.TimedOut):
            answer = await self._head(url)
            if answer is None:
                raise
            return answer

    async def _head(self, url: str) -> Answer | None:
        """The answer to HEAD when it can be believed."""
        try:
            answer = await self.visits.fetcher.fetch("HEAD", url, before=self._before)
        except (errors.BadAnswer, errors.ConnectFailed, errors.TimedOut):
            return None
        return answer if answer.status < 400 or answer.status == 429 else None

    async def _get(self, url: str, size: int) -> Answer:
        headers = () if size == PAGE_BYTES else (("Range", f"bytes=0-{size - 1}"),)
        fetcher = self.visits.fetcher
        return await fetcher.fetch("GET", url, body_bytes=size, headers=headers, before=self._before)

    @asynccontextmanager
    async def _before(self, target: Target) -> AsyncIterator[None]:
        self.delay_s = max(self.delay_s, await self.visits.robots.delay_s(target))
        async with self.visits.turns.take(target.host, self.visits.pause_s):
            yield


async def page_of(answer: Answer) -> Page:
    """What an answer's page says of itself; nothing when it is no page."""
    content_type = answer.header("content-type")
    kind = content_type.partition(";")[0].strip().lower()
    if answer.status >= 300 or (kind and kind not in _HTML):
        return Page()
    # Some ten milliseconds for a page of the full size.
    return await asyncio.to_thread(_read, answer.body, content_type, answer.hops[-1])


def finding_of(error: errors.FetchError) -> Finding:
    return next(finding for kind, finding in _FINDINGS if isinstance(error, kind))


def _read(body: bytes, content_type: str, target: Target) -> Page:
    return markup.read(charsets.decode(body, content_type), target)


def of_status(answer: Answer) -> Finding:
    status = answer.status
    if status == 404:
        return Finding.NOT_FOUND
    if status == 410:
        return Finding.GONE
    if status == 429 or (status == 503 and answer.header("retry-after")):
        return Finding.BUSY
    # 401, 403 and the like: somebody is there, for those who may come in.
    return Finding.SERVER_ERROR if 500 <= status < 600 else Finding.ANSWERED


def _retry_after_s(text: str, clock: Callable[[], float]) -> float | None:
    """Retry-After (RFC 9110, 10.2.3) in seconds: a number, or a date."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_RETRY_AFTER_S)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - clock()
    except (ValueError, OverflowError, TypeError):
        return None
    return min(seconds, MAX_RETRY_AFTER_S) if seconds > 0 else None

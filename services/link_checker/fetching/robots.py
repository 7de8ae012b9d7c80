"""robots.txt (RFC 9309): what a site asks of checkers, remembered for a day."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from protego import Protego

from services.link_checker.fetching.errors import BadAnswer, Busy, Disallowed, TooManyRedirects
from services.link_checker.fetching.fetcher import AGENT, Fetcher
from services.link_checker.fetching.targets import Target

# RFC 9309 asks for 500 KiB at least; a checker needs no more of a file than this, and has many in memory.
READ_BYTES = 128 * 1024
KEPT_S = 24 * 60 * 60.0
KEPT_BYTES = 8 * 1024 * 1024
MAX_DELAY_S = 60.0


@dataclass(frozen=True)
class _Rules:
    text: str
    until: float


class Robots:
    """The rules of the sites visited last. `clock` gives seconds that only grow."""

    def __init__(self, fetcher: Fetcher, clock: Callable[[], float]) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._known: OrderedDict[str, _Rules] = OrderedDict()
        self._bytes = 0

    async def delay_s(self, target: Target) -> float:
        """How long the site wants between two visits (0: it does not say). Raises Disallowed.

        A site without rules allows everything (4xx); one whose rules cannot be had (5xx) allows nothing now.
        Raises what the fetcher raises, since a host that does not answer for its rules answers for nothing.
        """
        text = await self._text(target)
        if not text.strip():
            return 0.0
        # Thousands of rules take a tenth of a second.
        allowed, delay = await asyncio.to_thread(_judge, text, target.url)
        if not allowed:
            raise Disallowed(target.origin)
        return min(delay, MAX_DELAY_S)

    async def _text(self, target: Target) -> str:
        known = self._known.get(target.origin)
        if known is not None and known.until > self._clock():
            self._known.move_to_end(target.origin)
            return known.text
        try:
            answer = await self._fetcher.fetch("GET", f"{target.origin}/robots.txt", body_bytes=READ_BYTES)
        except (BadAnswer, TooManyRedirects):  # as good as none (RFC 9309, 2.3.1.2)
            self._keep(target.origin, "")
            return ""
        if answer.status == 429 or answer.status >= 500:
            raise Busy(f"{target.origin}/robots.txt answered {answer.status}")
        text = answer.body.decode("utf-8", "replace") if answer.status < 300 else ""
        self._keep(target.origin, text)
        return text

    def _keep(self, origin: str, text: str) -> None:
        old = self._known.pop(origin, None)
        self._bytes -= _size(origin, old.text) if old else 0
        self._known[origin] = _Rules(text, self._clock() + KEPT_S)
        self._bytes += _size(origin, text)
        while self._bytes > KEPT_BYTES:
            gone, rules = self._known.popitem(last=False)
            self._bytes -= _size(gone, rules.text)


def _size(origin: str, text: str) -> int:
    return len(origin) + len(text) + 500


def _judge(text: str, url: str) -> tuple[bool, float]:
    rules = Protego.parse(text)
    return rules.can_fetch(url, AGENT), float(rules.crawl_delay(AGENT) or 0.0)

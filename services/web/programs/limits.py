"""How often one caller may ask: buckets that fill again, in this process's memory.

Several replicas count each for themselves: what they allow together is more, never less.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from services.kit.errors import TooManyRequests

MAX_BUCKETS = 50_000


class Limit(NamedTuple):
    """So many calls at once, and one more each `every_s` seconds."""

    burst: int
    every_s: float


# Far looser than the originals (Pinboard: a call per 3 s): programs that do not slow down by themselves show
# every refusal to their user.
USUAL = Limit(burst=1_000, every_s=0.1)


class Limits:
    """Raises TooManyRequests, with whole seconds in Retry-After, for one call too many."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._spent: OrderedDict[tuple[Limit, object], float] = OrderedDict()

    def spend(self, limit: Limit, who: object) -> None:
        """Count a call of `who`."""
        key, now = (limit, who), self._now()
        # The moment at which the bucket is full again: later than that it need not be remembered.
        full_at = max(now, self._spent.pop(key, now)) + limit.every_s
        wait_s = full_at - now - limit.burst * limit.every_s
        if wait_s > 1e-6:
            self._spent[key] = full_at - limit.every_s
            raise TooManyRequests("too many calls", retry_after_s=wait_s)
        self._spent[key] = full_at
        if len(self._spent) > MAX_BUCKETS:
            self._spent.popitem(last=False)

"""How many guesses are free: leaky buckets in PostgreSQL, so that restarts and replicas do not reset them.

What guards a sign-in, and why it cannot be turned against the account's owner:

- **account and address**: a few attempts, then one a minute. Refused with 429. Only who shares the
  attacker's address is shut out of that one account, and for a minute at a time.
- **address**: many accounts tried from one address. Refused with 429.
- **account, from anywhere**: many addresses trying one account. Never refused, only slowed down: each
  attempt waits, the right password too, up to MAX_DELAY. Nobody can lock an owner out.

An attempt is charged before the password is looked at, or parallel guesses would all be free; the
right password gives the charge back. Unknown names are counted as known ones are.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hmac
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.kit.db import Database
from services.kit.errors import TooManyRequests, Unavailable

# One attempt fills the bucket by `every`; it is full when it would need longer than `burst * every` to empty.
CHARGE = """
INSERT INTO throttle AS t (key, empty_at) VALUES ($1, $2::timestamptz + $3::interval)
ON CONFLICT (key) DO UPDATE SET empty_at = greatest(t.empty_at, $2) + $3
WHERE greatest(t.empty_at, $2) + $3 <= $2 + $4::interval
RETURNING empty_at
"""
LEVEL = "SELECT empty_at FROM throttle WHERE key = $1"
# A charge that is never refused, up to a ceiling from where the bucket still empties in bounded time.
RAISE = """
INSERT INTO throttle AS t (key, empty_at) VALUES ($1, $2::timestamptz + $3::interval)
ON CONFLICT (key) DO UPDATE SET empty_at = least(greatest(t.empty_at, $2) + $3, $2 + $4::interval)
RETURNING empty_at
"""
REFUND = "UPDATE throttle SET empty_at = empty_at - $2::interval WHERE key = $1"
FORGET = "DELETE FROM throttle WHERE key = $1"
CLEAN = """
DELETE FROM throttle WHERE key IN (
    SELECT key FROM throttle WHERE empty_at < $1 ORDER BY empty_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""

# The account-wide bucket: this many attempts a day cost no delay, twice as many cost MAX_DELAY.
ACCOUNT_EVERY = dt.timedelta(seconds=30)
ACCOUNT_FREE = 50
ACCOUNT_CEILING = 100
MAX_DELAY = dt.timedelta(seconds=4)


@dataclass(frozen=True)
class Limit:
    """`burst` attempts at once, one more each `every` after that; `name` says what is counted."""

    name: str
    burst: int
    every: dt.timedelta


@dataclass(frozen=True)
class Limits:
    """The limits of a deployment; many people behind one address need higher ones for addresses."""

    sign_in: Limit = Limit("sign-in", 5, dt.timedelta(minutes=1))
    sign_in_address: Limit = Limit("sign-in-address", 50, dt.timedelta(seconds=10))
    sign_up_address: Limit = Limit("sign-up-address", 20, dt.timedelta(minutes=1))
    confirm: Limit = Limit("confirm", 5, dt.timedelta(minutes=1))
    elsewhere_address: Limit = Limit("elsewhere-address", 30, dt.timedelta(seconds=10))


class Slowing:
    """Lets attempts on attacked accounts wait, `places` at most at a time: they must not fill the service."""

    def __init__(self, places: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._free = places
        self._sleep = sleep

    async def wait(self, delay: dt.timedelta) -> None:
        """Wait; raises TooManyRequests when too many are waiting already."""
        if not delay:
            return
        if self._free == 0:
            raise TooManyRequests(
                "many attempts on such accounts are waiting", retry_after_s=MAX_DELAY.seconds
            )
        self._free -= 1
        try:
            await self._sleep(delay.total_seconds())
        finally:
            self._free += 1


class Throttle:
    """Counts attempts by limit and subject, hashed with `pepper`: no name and no address is kept."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper

    async def charge(self, limit: Limit, *subject: str, now: dt.datetime) -> None:
        """Count an attempt; raises TooManyRequests, with the time to wait, when the bucket is full."""
        key = self._key(limit.name, subject)
        full = limit.burst * limit.every
        if await self._database.fetchval(CHARGE, key, now, limit.every, full) is not None:
            return
        empty_at: dt.datetime = await self._database.fetchval(LEVEL, key) or now
        wait = empty_at + limit.every - full - now
        raise TooManyRequests(
            "too many attempts, try again later", retry_after_s=max(1, wait.total_seconds())
        )

    @asynccontextmanager
    async def attempt(
        self, limits: Limits, account: str, address: str, *, now: dt.datetime
    ) -> AsyncIterator[dt.timedelta]:
        """Around the check of a password: charges all that guards a sign-in, gives the delay to wait first.

        A block that ends well gets its charges back, and so does one that was shed, since nothing was
        guessed then; any other end (a wrong password, a client that went away) has cost one attempt.
        """
        pair = (account, address)
        await self.charge(limits.sign_in, *pair, now=now)
        try:
            await self.charge(limits.sign_in_address, address, now=now)
        except TooManyRequests:
            await self.refund(limits.sign_in, *pair)
            raise
        delay = await self.delay(account, now=now)
        try:
            yield delay
        except (Unavailable, TooManyRequests):
            await self.refund(limits.sign_in, *pair)
            await self._give_back(limits, account, address)
            raise
        await self.forget(limits.sign_in, *pair)
        await self._give_back(limits, account, address)

    async def _give_back(self, limits: Limits, account: str, address: str) -> None:
        await self.refund(limits.sign_in_address, address)
        await self._database.execute(REFUND, self._key("account", (account,)), ACCOUNT_EVERY)

    async def refund(self, limit: Limit, *subject: str) -> None:
        """Take one charge back."""
        await self._database.execute(REFUND, self._key(limit.name, subject), limit.every)

    async def forget(self, limit: Limit, *subject: str) -> None:
        """Empty a bucket."""
        await self._database.execute(FORGET, self._key(limit.name, subject))

    async def delay(self, account: str, *, now: dt.datetime) -> dt.timedelta:
        """Count an attempt on an account from anywhere, and say how long it has to wait."""
        key = self._key("account", (account,))
        ceiling = ACCOUNT_CEILING * ACCOUNT_EVERY
        empty_at: dt.datetime = await self._database.fetchval(RAISE, key, now, ACCOUNT_EVERY, ceiling)
        return slow_down((empty_at - now) / ACCOUNT_EVERY)

    async def clean(self, now: dt.datetime, limit: int) -> int:
        """Delete up to `limit` empty buckets; returns how many."""
        return int((await self._database.execute(CLEAN, now, limit)).split()[-1])

    def _key(self, name: str, subject: tuple[str, ...]) -> bytes:
        # The separator stands in no address and no JSON text's name is cut by it: lengths go in too.
        parts = [name, *subject]
        message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return hmac.digest(self._pepper, message, "sha256")


def slow_down(level: float) -> dt.timedelta:
    """The delay at `level` attempts in the account's bucket: none up to ACCOUNT_FREE, then more."""
    share = (level - ACCOUNT_FREE) / (ACCOUNT_CEILING - ACCOUNT_FREE)
    return MAX_DELAY * min(1.0, max(0.0, share))


def client_address(forwarded_for: str | None, peer: str, trusted_proxies: int) -> str:
    """Whose attempts are counted: the address that the outermost trusted proxy saw, an IPv6 one as its /64.

    Each proxy appends to X-Forwarded-For who called it. So the element that many places from the right is
    our own edge's word; what stands left of it anybody may have written. The edge's
    `x-envoy-external-address` is not read: a caller from a private address may set it himself.
    """
    listed = [part.strip() for part in (forwarded_for or "").split(",") if part.strip()]
    seen = listed[-trusted_proxies] if 0 < trusted_proxies <= len(listed) else peer
    try:
        address = ipaddress.ip_address(seen)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)

"""Which generation of all keys is in force and which one is being built, and the lease of who builds."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

import redis.exceptions

from services.news import keys, scripts
from services.news.connection import Connection, translated

LEASE_MS = 15_000
# Nobody reads an epoch for so long after another one took its place.
RETIRED_FOR_S = 60.0
SCANNED_AT_ONCE = 1_000


@dataclass(frozen=True)
class Epoch:
    """One generation of keys; `since` is when its building began, in seconds since 1970."""

    name: str
    since: float
    current: bool


@dataclass(frozen=True)
class Standing:
    """The epochs that there are, and the run of Redis that the current one was built in."""

    current: Epoch | None
    building: Epoch | None
    run_id: str

    @property
    def all(self) -> list[Epoch]:
        """Those that a change must reach."""
        return [epoch for epoch in (self.current, self.building) if epoch is not None]


@dataclass(frozen=True)
class EpochStore:
    """The epochs, and the lease of the one process that builds; raises Unavailable."""

    redis: Connection

    async def standing(self) -> Standing:
        """What is in force now."""
        names = ["current", "since", "building", "building_since", "run_id"]
        with translated():
            found = await self.redis.client.hmget(keys.STATE, names)
        current, since, building, building_since, run_id = (
            None if value is None else value.decode() for value in found
        )
        return Standing(
            Epoch(current, float(since or 0), current=True) if current else None,
            Epoch(building, float(building_since or 0), current=False) if building else None,
            run_id or "",
        )

    async def run_id(self) -> str:
        """Changes when Redis was started again or another one took over; empty when it does not say."""
        try:
            with translated():
                return str((await self.redis.client.info("server")).get("run_id", ""))
        except redis.exceptions.ResponseError:
            return ""

    async def begin(self, token: str) -> str | None:
        """The name of a new epoch that the holder of `token` may build; None while another one builds."""
        epoch = f"{time.time_ns():x}{secrets.token_hex(2)}"
        names = [keys.STATE, keys.BUILDER, keys.RETIRED]
        began = await self.redis.run(scripts.BEGIN, names, token, LEASE_MS, epoch, repr(time.time()))
        return epoch if began else None

    async def extend(self, token: str) -> bool:
        """Go on building; False when the lease is lost."""
        return bool(await self.redis.run(scripts.EXTEND, [keys.BUILDER], token, LEASE_MS))

    async def switch(self, token: str, epoch: str, run_id: str) -> bool:
        """Put what was built in force; False when the lease is lost."""
        names = [keys.STATE, keys.BUILDER, keys.RETIRED]
        return bool(await self.redis.run(scripts.SWITCH, names, token, epoch, repr(time.time()), run_id))

    async def abandon(self, token: str = "") -> None:
        """Give up what is being built; without a token only what nobody builds any more."""
        names = [keys.STATE, keys.BUILDER, keys.RETIRED]
        await self.redis.run(scripts.ABANDON, names, token, repr(time.time()))

    async def sweep(self, older_than_s: float = RETIRED_FOR_S) -> None:
        """Delete the keys of epochs that were retired a while ago."""
        with translated():
            client = self.redis.client
            for name in await client.zrangebyscore(keys.RETIRED, 0, time.time() - older_than_s):
                async for key in client.scan_iter(keys.everything(name.decode()), count=SCANNED_AT_ONCE):
                    await client.unlink(key)
                await client.zrem(keys.RETIRED, name)

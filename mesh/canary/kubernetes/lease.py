"""Which controller drives: the holder of a Lease, for as long as it renews it in time.

The holder writes the Lease anew every few seconds, under the condition that nobody else has. Whoever waits
takes it when it has stood unchanged for its duration by the waiter's own clock; clocks are never compared.
The holder gives up before that: what it has not renewed for two thirds of the duration is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from mesh.canary.kubernetes import kinds
from mesh.canary.kubernetes.api import Api
from mesh.canary.platform import Away, Conflict, Json, NotFound, PlatformError

NAME = "delinkcious-canary"
DURATION_S, RENEW_S = 15.0, 5.0
LOOK_S = 1.0

_log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another controller drives now, or may do so: this one has to end."""


class Lease:
    """`holder` names this process; no two that are alive have one name."""

    def __init__(
        self,
        api: Api,
        holder: str,
        *,
        name: str = NAME,
        duration_s: float = DURATION_S,
        renew_s: float = RENEW_S,
    ) -> None:
        self._api, self._holder, self._name = api, holder, name
        self._duration_s, self._renew_s = duration_s, renew_s
        self._body: Json = {}
        self._until = 0.0

    @property
    def held(self) -> bool:
        return time.monotonic() < self._until

    def demand(self) -> None:
        """Raises Away when this process may not write any more."""
        if not self.held:
            raise Away("the lease was not renewed in time: another controller may drive")

    async def while_held(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for it, then work; the work is cut off when it is lost. Raises LeaseLost."""
        await self._acquire()
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep())
                await work()
                keeping.cancel()
        except* LeaseLost as lost:
            raise LeaseLost(str(lost.exceptions[0])) from None
        finally:
            await self._release()

    async def _acquire(self) -> None:
        seen, since, said = "", 0.0, ""
        while not self.held:
            try:
                found = await self._api.get(kinds.LEASE, self._name)
                version, spec = found["metadata"]["resourceVersion"], found.get("spec") or {}
                if version != seen:
                    seen, since = version, time.monotonic()
                holder = spec.get("holderIdentity") or ""
                lasts_s = float(spec.get("leaseDurationSeconds") or 0)
                if holder in ("", self._holder) or time.monotonic() - since >= lasts_s:
                    await self._write(found, new=True)
                    break
                sentence = f"{holder} drives; this controller waits"
            except NotFound:
                with contextlib.suppress(Conflict):
                    await self._create()
                continue
            except Conflict:
                continue
            except PlatformError as error:
                sentence = str(error)
            if sentence != said:
                said = sentence
                _log.info(said)
            await asyncio.sleep(LOOK_S)
        _log.info("%s drives", self._holder)

    async def _keep(self) -> None:
        """Raises LeaseLost."""
        while True:
            await asyncio.sleep(self._renew_s)
            await self._renew()

    async def _renew(self) -> None:
        while True:
            left = self._until - time.monotonic()
            if left <= 0:
                raise LeaseLost("the lease could not be renewed in time")
            try:
                async with asyncio.timeout(left):
                    return await self._write(self._body)
            except Conflict:
                await self._look()
            except (PlatformError, TimeoutError) as error:
                _log.warning("the lease is not renewed yet: %s", error)
                await asyncio.sleep(min(LOOK_S, max(0.0, left)))

    async def _look(self) -> None:
        """Who holds it: the answer to an own write may have been lost."""
        with contextlib.suppress(PlatformError):
            self._body = await self._api.get(kinds.LEASE, self._name)
            holder = (self._body.get("spec") or {}).get("holderIdentity")
            if holder != self._holder:
                self._until = 0.0
                raise LeaseLost(f"{holder or 'nobody'} holds the lease")

    async def _create(self) -> None:
        asked = time.monotonic()
        metadata = {"name": self._name, "namespace": self._api.namespace}
        spec = {**self._spec(), "acquireTime": _now(), "leaseTransitions": 0}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        self._body = await self._api.create(kinds.LEASE, body)
        self._until = asked + self._duration_s * 2 / 3

    async def _write(self, found: Json, *, new: bool = False) -> None:
        asked, spec = time.monotonic(), {**(found.get("spec") or {}), **self._spec()}
        if new:
            spec |= {"acquireTime": _now(), "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
        self._body = await self._api.replace(kinds.LEASE, {**found, "spec": spec})
        self._until = asked + self._duration_s * 2 / 3

    async def _release(self) -> None:
        """So that the next one need not wait."""
        if not self.held:
            return
        self._until = 0.0
        with contextlib.suppress(PlatformError):
            spec = {**self._body["spec"], "holderIdentity": ""}
            await self._api.replace(kinds.LEASE, {**self._body, "spec": spec})

    def _spec(self) -> Json:
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": round(self._duration_s),
            "renewTime": _now(),
        }


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

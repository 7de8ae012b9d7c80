"""What every proxy should have, and its delivery: one configuration, one registry, one set of keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from mesh.local.model import Config, Registry
from mesh.local.runtime.admin import AdminUnreachable
from mesh.local.runtime.control_plane import ControlPlane, Wanted
from mesh.local.runtime.delivered import Delivered
from mesh.local.runtime.errors import DeliveryFailed
from mesh.local.runtime.jwks import KeySets
from mesh.local.runtime.kept_keys import KeptKeys
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.registry import PublicIp, registry

# A hung Envoy is replaced after three missed answers, 12 s at most.
ANSWERED_WITHIN_S = 20.0
AGAIN_AFTER_S = 0.1


class Desired:
    """What is wanted now, and its way to the proxies through the control plane."""

    def __init__(
        self,
        pods: Callable[[], Iterable[Pod]],
        public_ip: PublicIp,
        report: Callable[[str], None],
        kept: KeptKeys,
        plane: ControlPlane,
    ) -> None:
        self.config = Config([])
        self.dirty = asyncio.Event()
        self.keys = KeySets(self.registry, self.dirty.set, report, kept)
        self._pods = pods
        self._public_ip = public_ip
        self.plane = plane

    def registry(self) -> Registry:
        endpoints = (pod.endpoint for pod in self._pods() if not pod.stopping)
        return registry(self.config, endpoints, self._public_ip)

    def wanted(self) -> Wanted:
        return Wanted(self.config, self.registry(), self.keys.texts)

    def prepare(self, pod: Pod) -> None:
        """Write everything for a proxy that is about to start."""
        self.plane.prepare(pod, self.wanted())

    async def look(self) -> None:
        """Bring what each proxy has in force up to date, where only its Envoy knows that."""
        looks = [pod.sidecar.delivery.look() for pod in self._pods() if pod.sidecar is not None]
        for result in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, AdminUnreachable):
                raise result

    def want_keys(self) -> None:
        """Have the keys of token issuers fetched, where the control plane does not fetch them itself."""
        if self.plane.fetches_keys:
            self.keys.want(self.config)

    async def deliver(self) -> None:
        """Bring what is wanted now into force everywhere; an Envoy that starts is not waited for.

        Raises:
            DeliveryFailed: some proxies refused or stayed silent, named in the text; the others have it.
        """
        (await self._round()).judge()

    async def _round(self) -> Delivered:
        """Deliver what is wanted now to every proxy once."""
        return await self.plane.deliver(list(self._pods()), self.wanted())

    async def judge(self, config: Config) -> None:
        """As `ControlPlane.judge`."""
        await self.plane.judge(config)

    async def switch(self, config: Config) -> Delivered:
        """Make a valid configuration effective on every proxy, or on none.

        Envoys that start are waited for, and those that hang until they are replaced.

        Raises:
            InvalidConfig: the control plane refused it.
            Unanswered: a proxy hangs, and was not replaced.
            DeliveryFailed: one refused it, or did not take it.
        """
        await self.judge(config)
        before = self.config
        self.config = config
        try:
            delivered = await self.everywhere()
        except Exception:  # also a mistake of the mesh itself: what was before is to stand, and it is told
            self.config = before
            self.dirty.set()
            await self._restore()
            raise
        self.want_keys()
        return delivered

    async def everywhere(self) -> Delivered:
        """Deliver until every proxy has answered and all that start have read it. Raises as `switch`."""
        delivered = await self._round()
        deadline = time.monotonic() + ANSWERED_WITHIN_S
        while delivered.unanswered and not delivered.refused and time.monotonic() < deadline:
            await asyncio.sleep(AGAIN_AFTER_S)
            again = await self._round()
            again.draining |= delivered.draining
            again.unread |= delivered.unread
            delivered = again
        delivered.judge()
        pods = list(delivered.unread.values())
        results = await asyncio.gather(
            *(pod.sidecar.settled() for pod in pods if pod.sidecar is not None), return_exceptions=True
        )
        for pod, result in zip(pods, results, strict=True):
            if result is True or pod.stopping:
                del delivered.unread[pod.manifest.key]
            elif isinstance(result, BaseException):
                delivered.add(pod, result)
        delivered.judge()
        return delivered

    async def drained(self, delivered: Delivered) -> None:
        """Wait until the connections that were open before the change are gone, too."""
        pods = delivered.draining.values()
        waits = [pod.sidecar.delivery.drained() for pod in pods if pod.sidecar is not None]
        await asyncio.gather(*waits)

    async def keep(self, delivered: Callable[[], None], report: Callable[[str], None]) -> None:
        """Deliver whenever pods or keys have changed, and call `delivered` after each time; for ever."""
        while True:
            await self.dirty.wait()
            self.dirty.clear()
            self.want_keys()
            try:
                await self.deliver()
                delivered()
            except Exception as error:  # also a mistake of the mesh itself: what runs goes on as it is
                why = error if isinstance(error, DeliveryFailed) else f"internal error: {error!r}"
                report(f"not delivered, trying again: {why}")
                await asyncio.sleep(0.5)
                self.dirty.set()

    async def _restore(self) -> None:
        try:
            await self.deliver()
        except DeliveryFailed:
            return  # `keep` goes on trying; what is being reported is the first failure

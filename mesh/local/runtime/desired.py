"""What every proxy should have, and its delivery: one configuration, one registry, one set of keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mesh.local.model import Config, Registry
from mesh.local.runtime import credentials
from mesh.local.runtime.errors import DeliveryFailed, MeshError
from mesh.local.runtime.jwks import KeySets
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.registry import PublicIp, registry
from mesh.local.snapshot import Ground


@dataclass(frozen=True)
class Delivered:
    """How a delivery went: proxies that changed, and those whose older connections still have to end."""

    changed: int
    draining: tuple[Pod, ...]


class Desired:
    """Builds the snapshot of every proxy out of what is wanted now, and delivers those that differ."""

    def __init__(
        self, pods: Callable[[], Iterable[Pod]], public_ip: PublicIp, report: Callable[[str], None]
    ) -> None:
        self.config = Config([])
        self.dirty = asyncio.Event()
        self.keys = KeySets(self.registry, self.dirty.set, report)
        self._pods = pods
        self._public_ip = public_ip
        self._ground = Ground((), Registry((), ()), {})

    def registry(self) -> Registry:
        endpoints = (pod.endpoint for pod in self._pods() if not pod.stopping)
        return registry(self.config, endpoints, self._public_ip)

    def prepare(self, pod: Pod) -> None:
        """Write everything for a proxy that is about to start."""
        if pod.sidecar is not None:
            snapshot = pod.sidecar.builder.build(self._ground_now(), self.config)
            pod.sidecar.prepare(snapshot, credentials.secrets(pod.sidecar.proxy, self.config))

    async def deliver(self) -> Delivered:
        """Bring what is wanted now into force everywhere.

        Raises:
            DeliveryFailed: some proxies refused or stayed silent, named in the text; the others have it.
        """
        config, ground = self.config, self._ground_now()
        jobs: list[tuple[Pod, asyncio.Task[bool]]] = []
        for pod in list(self._pods()):
            if pod.sidecar is not None:
                secrets = credentials.secrets(pod.sidecar.proxy, config)
                snapshot = pod.sidecar.builder.build(ground, config)
                jobs.append((pod, asyncio.create_task(pod.sidecar.deliver(snapshot, secrets))))
                await asyncio.sleep(0)  # this Envoy reads its files while the next ones are made
        results = await asyncio.gather(*(task for _, task in jobs), return_exceptions=True)
        failures, draining = [], []
        for (pod, _), result in zip(jobs, results, strict=True):
            if isinstance(result, MeshError | OSError):
                failures.append(f"{pod.manifest.key}: {result}")
            elif isinstance(result, BaseException):
                raise result
            elif result:
                draining.append(pod)
        if failures:
            raise DeliveryFailed("; ".join(failures))
        return Delivered(len(draining), tuple(draining))

    def _ground_now(self) -> Ground:
        """The ground of what is wanted; the same object for as long as it is equal."""
        ground = Ground.of(self.config, self.registry(), dict(self.keys.texts))
        if ground != self._ground:
            self._ground = ground
        return self._ground

    async def switch(self, config: Config) -> Delivered:
        """Make a valid configuration effective on every proxy, or on none. Raises DeliveryFailed."""
        before = self.config
        self.config = config
        try:
            delivered = await self.deliver()
        except DeliveryFailed:
            self.config = before
            self.dirty.set()
            await self._restore()
            raise
        self.keys.want(config)
        return delivered

    async def drained(self, delivered: Delivered) -> None:
        """Wait until the connections that were open before the change are gone, too."""
        waits = [pod.sidecar.delivery.drained() for pod in delivered.draining if pod.sidecar is not None]
        await asyncio.gather(*waits)

    async def keep(self, delivered: Callable[[], None], report: Callable[[str], None]) -> None:
        """Deliver whenever pods or keys have changed, and call `delivered` after each time; for ever."""
        while True:
            await self.dirty.wait()
            self.dirty.clear()
            self.keys.want(self.config)
            try:
                await self.deliver()
                delivered()
            except DeliveryFailed as error:
                report(f"not delivered, trying again: {error}")
                await asyncio.sleep(0.5)
                self.dirty.set()

    async def _restore(self) -> None:
        try:
            await self.deliver()
        except DeliveryFailed:
            return  # `keep` goes on trying; what is being reported is the first failure

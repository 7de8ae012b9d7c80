"""What every proxy should have, and its delivery: one configuration, one registry, one set of keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from mesh.local import files
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.model import Config, Registry
from mesh.local.runtime import credentials
from mesh.local.runtime.deliver import Effect
from mesh.local.runtime.errors import DeliveryFailed, MeshError, NotWritten, Unanswered
from mesh.local.runtime.jwks import KeySets
from mesh.local.runtime.kept_keys import KeptKeys
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.registry import PublicIp, registry
from mesh.local.snapshot import Ground, Routes

# A hung Envoy is replaced after three missed answers, 12 s at most.
ANSWERED_WITHIN_S = 20.0
AGAIN_AFTER_S = 0.1


@dataclass
class Delivered:
    """How a delivery went, by pods.

    `draining`: older connections still have to end. `unread`: the Envoy is not started yet. `unanswered`: it
    neither answers nor ends, and why this is thought. `refused`: what else went wrong.
    """

    draining: dict[str, Pod] = field(default_factory=dict)
    unread: dict[str, Pod] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, pod: Pod, result: Effect | BaseException) -> None:
        key = pod.manifest.key
        if pod.stopping and isinstance(result, Unanswered | NotWritten):
            return  # it ends, with its folder
        if isinstance(result, Unanswered):
            self.unanswered[key] = str(result)
        elif isinstance(result, MeshError | OSError):
            self.refused[key] = str(result)
        elif isinstance(result, BaseException):
            raise result
        elif result is Effect.DRAINING:
            self.draining[key] = pod
        elif result is Effect.UNREAD:
            self.unread[key] = pod

    def judge(self) -> None:
        """Raises DeliveryFailed when something was refused, Unanswered when the rest is worth a try."""
        failures = "; ".join(f"{key}: {why}" for key, why in {**self.refused, **self.unanswered}.items())
        if self.refused:
            raise DeliveryFailed(failures)
        if self.unanswered:
            raise Unanswered(failures)


class Desired:
    """Builds the snapshot of every proxy out of what is wanted now, and delivers those that differ."""

    def __init__(
        self,
        pods: Callable[[], Iterable[Pod]],
        public_ip: PublicIp,
        report: Callable[[str], None],
        kept: KeptKeys,
    ) -> None:
        self.config = Config([])
        self.dirty = asyncio.Event()
        self.keys = KeySets(self.registry, self.dirty.set, report, kept)
        self._pods = pods
        self._public_ip = public_ip
        self._ground = Ground((), Registry((), ()), {})
        self._routes = Routes()
        # What each pod's proxy has acknowledged; forgotten with the pod.
        self._given: WeakKeyDictionary[Pod, tuple[Config, Ground]] = WeakKeyDictionary()

    def registry(self) -> Registry:
        endpoints = (pod.endpoint for pod in self._pods() if not pod.stopping)
        return registry(self.config, endpoints, self._public_ip)

    def prepare(self, pod: Pod) -> None:
        """Write everything for a proxy that is about to start."""
        if pod.sidecar is not None:
            snapshot = pod.sidecar.builder.build(self._ground_now(), self.config)
            runtime_values = mesh_config(self.config).runtime_values
            secrets = credentials.secrets(pod.sidecar.proxy, self.config)
            pod.sidecar.prepare(snapshot, secrets, runtime_values)

    async def deliver(self) -> None:
        """Bring what is wanted now into force everywhere; an Envoy that starts is not waited for.

        Raises:
            DeliveryFailed: some proxies refused or stayed silent, named in the text; the others have it.
        """
        (await self._round()).judge()

    async def _round(self) -> Delivered:
        """Deliver what is wanted now to every proxy once, but for those that have just this already."""
        config, ground = self.config, self._ground_now()
        written = files.Alike()
        jobs: list[tuple[Pod, asyncio.Task[Effect]]] = []
        for pod in list(self._pods()):
            had = self._given.get(pod)
            if had is not None and had[0] is config and had[1] is ground:
                continue
            if pod.sidecar is not None and not (pod.sidecar.leaving or pod.failure):
                secrets = credentials.secrets(pod.sidecar.proxy, config)
                snapshot = pod.sidecar.builder.build(ground, config, self._routes)
                jobs.append((pod, asyncio.create_task(pod.sidecar.deliver(snapshot, secrets, written))))
                await asyncio.sleep(0)  # this Envoy reads its files while the next ones are made
        results = await asyncio.gather(*(task for _, task in jobs), return_exceptions=True)
        delivered = Delivered()
        for (pod, _), result in zip(jobs, results, strict=True):
            delivered.add(pod, result)
            self._given.pop(pod, None)
            if isinstance(result, Effect) and result is not Effect.UNREAD:
                self._given[pod] = (config, ground)
        return delivered

    def _ground_now(self) -> Ground:
        """The ground of what is wanted; it and its registry are the same objects for as long as they are equal."""
        registry = self.registry()
        known = self._ground.registry
        ground = Ground.of(self.config, known if registry == known else registry, dict(self.keys.texts))
        if ground != self._ground:
            self._ground = ground
        return self._ground

    async def switch(self, config: Config) -> Delivered:
        """Make a valid configuration effective on every proxy, or on none.

        Envoys that start are waited for, and those that hang until they are replaced.

        Raises:
            Unanswered: one hangs, and was not replaced.
            DeliveryFailed: one refused it, or did not take it.
        """
        before = self.config
        self.config = config
        try:
            delivered = await self.everywhere()
        except Exception:  # also a mistake of the mesh itself: what was before is to stand, and it is told
            self.config = before
            self.dirty.set()
            await self._restore()
            raise
        self.keys.want(config)
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
            self.keys.want(self.config)
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

"""The embedded control plane: translates by itself, and moves files into the folders of the proxies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from mesh.local import bootstrap, files
from mesh.local.check import Judged, validate
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.model import Config, Finding, Proxy, Registry, Resource
from mesh.local.runtime import credentials
from mesh.local.runtime.admin import Admin
from mesh.local.runtime.control_plane import Wanted
from mesh.local.runtime.deliver import Delivery, Effect
from mesh.local.runtime.delivered import Delivered
from mesh.local.runtime.pod import Pod
from mesh.local.snapshot import Builder, Ground, Routes


class Embedded:
    """Builds the snapshot of every proxy, and delivers those that differ."""

    name = "embedded"
    fetches_keys = True
    translates = True

    def __init__(self) -> None:
        self._ground = Ground((), Registry((), ()), {})
        self._routes = Routes()
        self._builders: WeakKeyDictionary[Pod, Builder] = WeakKeyDictionary()
        # What each pod's proxy has acknowledged; forgotten with the pod.
        self._given: WeakKeyDictionary[Pod, tuple[Config, Ground]] = WeakKeyDictionary()

    def validate(self, resources: Sequence[Resource], judged: Judged) -> tuple[Config, list[Finding]]:
        return validate(resources, judged)

    def supply(self, proxy: Proxy, admin: Admin, log: Path) -> Delivery:
        return Delivery(proxy.folder, admin, log)

    def prepare(self, pod: Pod, wanted: Wanted) -> None:
        if (sidecar := pod.sidecar) is None:
            return
        builder = self._builders[pod] = Builder(sidecar.proxy)
        snapshot = builder.build(self._ground_of(wanted), wanted.config)
        sidecar.proxy.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _files(pod).prepare(snapshot)
        runtime_values = mesh_config(wanted.config).runtime_values
        secrets = credentials.secrets(sidecar.proxy, wanted.config)
        sidecar.prepare(bootstrap.bootstrap(sidecar.proxy, runtime_values), secrets)

    async def begin(self) -> None:
        """Nothing: each proxy is given what it starts with when it is made."""

    async def judge(self, config: Config) -> None:
        """Nothing: `validate` leaves nothing to others."""

    async def deliver(self, pods: Iterable[Pod], wanted: Wanted) -> Delivered:
        """To every proxy once, but for those that have just this already."""
        config, ground = wanted.config, self._ground_of(wanted)
        written = files.Alike()
        jobs: list[tuple[Pod, asyncio.Task[Effect]]] = []
        for pod in list(pods):
            had = self._given.get(pod)
            if had is not None and had[0] is config and had[1] is ground:
                continue
            if pod.sidecar is not None and not (pod.sidecar.leaving or pod.failure):
                pod.sidecar.set_credentials(credentials.secrets(pod.sidecar.proxy, config))
                snapshot = self._builders[pod].build(ground, config, self._routes)
                jobs.append((pod, asyncio.create_task(_files(pod).deliver(snapshot, written))))
                await asyncio.sleep(0)  # this Envoy reads its files while the next ones are made
        results = await asyncio.gather(*(task for _, task in jobs), return_exceptions=True)
        delivered = Delivered()
        for (pod, _), result in zip(jobs, results, strict=True):
            delivered.add(pod, result)
            self._given.pop(pod, None)
            if isinstance(result, Effect) and result is not Effect.UNREAD:
                self._given[pod] = (config, ground)
        return delivered

    async def close(self) -> None:
        """Nothing: the files go with their pods."""

    def _ground_of(self, wanted: Wanted) -> Ground:
        """The ground of what is wanted; it and its registry are the same objects while they are equal."""
        known = self._ground.registry
        registry = known if wanted.registry == known else wanted.registry
        ground = Ground.of(wanted.config, registry, dict(wanted.keys))
        if ground != self._ground:
            self._ground = ground
        return self._ground


def _files(pod: Pod) -> Delivery:
    assert pod.sidecar is not None  # noqa: S101 - nobody else's files are delivered
    assert isinstance(pod.sidecar.delivery, Delivery)  # noqa: S101 - what `supply` made
    return pod.sidecar.delivery

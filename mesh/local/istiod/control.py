"""istiod as the control plane of a mesh."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import aiohttp

from mesh.local import files
from mesh.local.check import Judged
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.istiod import egress, judging
from mesh.local.istiod.api import Api
from mesh.local.istiod.bootstrap import Servers, ads_bootstrap
from mesh.local.istiod.objects import objects
from mesh.local.istiod.processes import XDS_PORT, Processes
from mesh.local.istiod.secrets import Secrets
from mesh.local.istiod.store import Store
from mesh.local.istiod.stream import Stream
from mesh.local.istiod.tokens import with_keys
from mesh.local.model import Config, Finding, Proxy, Registry, Resource
from mesh.local.runtime.admin import Admin
from mesh.local.runtime.control_plane import Wanted
from mesh.local.runtime.deliver import Effect
from mesh.local.runtime.delivered import Delivered
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.state import State

VIRTUAL = ipaddress.ip_network("10.97.0.0/16")  # of Services that say no address; nothing is routed by them
WITHIN = aiohttp.ClientTimeout(total=10)


class Istiod:
    """Tells istiod what is wanted and who runs, and waits for the proxies to follow it.

    `fetches_keys`, those of issuers inside the mesh; the others' istiod fetches itself.
    """

    name = "istiod"
    fetches_keys = True
    translates = False

    def __init__(self, processes: Processes, state: State, report: Callable[[str], None]) -> None:
        self._processes = processes
        self._secrets = Secrets(state.socket.with_suffix(".sds"), report)
        self._addresses: dict[str, str] = {}
        self._writing = asyncio.Lock()
        self._store: Store | None = None

    def validate(self, resources: Sequence[Resource], judged: Judged) -> tuple[Config, list[Finding]]:
        return judging.beforehand(resources, judged)

    def supply(self, proxy: Proxy, admin: Admin, log: Path) -> Stream:
        renewed = partial(self._secrets.renewed, proxy.node_id)
        return Stream(admin, proxy, log, lambda: self._store.generation if self._store else 0, renewed)

    def prepare(self, pod: Pod, wanted: Wanted) -> None:
        if (sidecar := pod.sidecar) is None:
            return
        servers = Servers(
            (self._processes.address, XDS_PORT),
            self._processes.plane.authority.ca,
            self._secrets.socket,
        )
        runtime_values = mesh_config(wanted.config).runtime_values
        self._secrets.know(sidecar.proxy.node_id, sidecar.proxy.folder)
        sidecar.prepare(ads_bootstrap(sidecar.proxy, servers, runtime_values), {})
        if sidecar.proxy.kind == "sidecar":
            self._stream(pod).route(self._routes(sidecar.proxy.namespace, wanted.config))

    async def begin(self) -> None:
        self._api = Api(self._processes.account)
        self._session = aiohttp.ClientSession(timeout=WITHIN)
        self._store = Store(self._api, self._session, self._processes.http)
        await self._secrets.begin()

    async def judge(self, config: Config) -> None:
        assert self._store is not None  # noqa: S101 - it has begun
        await self._store.judge(config)

    async def deliver(self, pods: Iterable[Pod], wanted: Wanted) -> Delivered:
        running = [pod for pod in pods if not pod.failure]  # one that stops still ends its requests
        generation = await self._written(wanted, running)
        proxied = [pod for pod in running if pod.sidecar is not None and not pod.sidecar.leaving]
        routes = {pod.manifest.namespace: b"" for pod in proxied}
        routes = {namespace: self._routes(namespace, wanted.config) for namespace in routes}
        follows = [self._followed(pod, generation, routes[pod.manifest.namespace]) for pod in proxied]
        results = await asyncio.gather(*follows, return_exceptions=True)
        delivered = Delivered()
        for pod, result in zip(proxied, results, strict=True):
            delivered.add(pod, result)
        return delivered

    async def close(self) -> None:
        await self._secrets.close()
        if self._store is not None:
            await self._api.close()
            await self._session.close()

    async def _followed(self, pod: Pod, generation: int, routes: bytes) -> Effect:
        stream = self._stream(pod)
        stream.known.set()
        if not pod.manifest.gateway:
            stream.route(routes)
        return await stream.follow(generation)

    async def _written(self, wanted: Wanted, running: Sequence[Pod]) -> int:
        """The generation of what is wanted, which istiod knows. Raises MeshError."""
        assert self._store is not None  # noqa: S101 - it has begun
        async with self._writing:
            proxies = [pod.sidecar.proxy for pod in running if pod.sidecar is not None]
            everybody = Registry(wanted.registry.services, tuple(pod.endpoint for pod in running))
            config = with_keys(wanted.config, wanted.registry, wanted.keys)
            bodies = objects(config, everybody, proxies, self._virtual(config))
            return await self._store.hold(bodies)

    def _stream(self, pod: Pod) -> Stream:
        assert pod.sidecar is not None  # noqa: S101 - nobody else has one
        assert isinstance(pod.sidecar.delivery, Stream)  # noqa: S101 - what `supply` made
        return pod.sidecar.delivery

    def _routes(self, namespace: str, config: Config) -> bytes:
        """The file of the routes that the applications of a namespace have."""
        table = egress.route_configuration(namespace, config, self._virtual(config))
        return files.response("RouteConfiguration", {egress.ROUTES: table})

    def _virtual(self, config: Config) -> Mapping[str, str]:
        """The virtual address of every Service, the same as before for one that was there."""
        names = [f"{one.namespace}/{one.name}" for one in config.of("Service")]
        said = {f"{one.namespace}/{one.name}": one.spec.get("clusterIP") for one in config.of("Service")}
        for name in names:
            if (address := said[name]) and address != "None":
                self._addresses[name] = str(address)
            elif name not in self._addresses:
                taken = set(self._addresses.values())
                fresh = (str(one) for one in VIRTUAL.hosts() if str(one) not in taken)
                self._addresses[name] = next(fresh)
        return self._addresses

"""A controller on Kubernetes put together: the API server, its Prometheus, the folder of its volume."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ConfigError

from mesh.canary.controller import Controller, Open, Site
from mesh.canary.kubernetes.api import MANAGER, Api
from mesh.canary.kubernetes.desk import Desk
from mesh.canary.kubernetes.lease import Lease
from mesh.canary.kubernetes.platform import KubernetesPlatform
from mesh.canary.kubernetes.serving import served
from mesh.canary.platform import PlatformError
from mesh.canary.runs.folder import Folder
from mesh.canary.runs.run import Run
from mesh.canary.runs.starting import NotStarted
from mesh.canary.signals import PrometheusSource

HEARD_WITHIN_S = 30.0  # an API server that was silent for longer: not ready


@dataclass(frozen=True)
class Settings:
    """`holder` names this process among controllers; `prometheus` is where the mesh's metrics are."""

    namespace: str
    runs: Path
    prometheus: str
    holder: str
    host: str
    port: int


def connect(context: str | None = None) -> AsyncClient:
    """As this pod's account, or as the kubeconfig says. Raises PlatformError."""
    try:
        config = KubeConfig.from_env().get(context)
        if config is None:
            raise PlatformError(f"the kubeconfig has no context {context or 'that is current'}")
        return AsyncClient(config, field_manager=MANAGER)
    except (ConfigError, OSError) as error:
        raise PlatformError(f"the Kubernetes API cannot be asked: {error}") from error


def site(platform: KubernetesPlatform, prometheus: str) -> Open:
    """Opens where a run takes place. Raises NotStarted for evidence that is the local mesh's."""

    @asynccontextmanager
    async def opened(run: Run) -> AsyncIterator[Site]:
        if run.spec.analysis.source != "prometheus":
            raise NotStarted("spec.analysis.source: on Kubernetes evidence comes from prometheus only")
        arms = run.began.rollout.metadata.namespace, run.began.stable, run.began.canary
        async with aiohttp.ClientSession(trust_env=False) as session:
            source, mirrored = (
                PrometheusSource(prometheus, measured, session, run.began.at)
                for measured in (run.spec.measured(*arms), run.spec.mirrored(*arms))
            )
            yield Site(platform, source, mirrored, prometheus)

    return opened


async def drive(client: AsyncClient, settings: Settings, lease: Lease | None = None) -> None:
    """Until it is cancelled. Raises LeaseLost, Busy."""
    api = Api(client, settings.namespace)
    lease = lease or Lease(api, settings.holder)
    platform = KubernetesPlatform(client, settings.namespace, allowed=lease.demand)
    await work(api, platform, lease, settings, site(platform, settings.prometheus))


async def work(api: Api, platform: KubernetesPlatform, lease: Lease, settings: Settings, where: Open) -> None:
    """The controller and its desk while the lease is held; its pod answers all the time."""
    heard_at = -HEARD_WITHIN_S

    def heard() -> None:
        nonlocal heard_at
        heard_at = time.monotonic()

    folder = Folder(settings.runs)
    desk = Desk(api, platform, folder, where, heard)

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(desk.work())
            group.create_task(Controller(folder, where).work(lasting=True))

    def ready() -> bool:
        return lease.held and time.monotonic() - heard_at < HEARD_WITHIN_S

    async with served(folder, ready, settings.host, settings.port):
        await lease.while_held(both)

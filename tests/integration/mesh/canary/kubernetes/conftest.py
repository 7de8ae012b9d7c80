"""A service in the namespace of each test, and controllers with the rights of the chart's account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from lightkube import AsyncClient, KubeConfig

from mesh.canary.kubernetes.platform import KubernetesPlatform
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.waiting import until
from tests.integration.mesh.canary.kubernetes import controllers
from tests.integration.mesh.canary.kubernetes.controllers import Process, Start
from tests.integration.mesh.canary.kubernetes.service import Service
from tests.tools import MADE_WITHIN_S


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(MADE_WITHIN_S + 300))


@pytest.fixture
def service(cluster: Cluster, namespace: str) -> Service:
    """`links`, its stable version v1 with three pods that are ready, and the split between two subsets."""
    made = Service(cluster, namespace)
    made.create()
    until(lambda: made.ready("v1") == 3)
    return made


@pytest.fixture
async def client(account: Path) -> AsyncIterator[AsyncClient]:
    """With the rights that the chart gives the controller, and no others."""
    config = KubeConfig.from_file(account).get()
    async with AsyncClient(config, field_manager="delinkcious-canary", trust_env=False) as made:
        yield made


@pytest.fixture
def platform(client: AsyncClient, namespace: str) -> KubernetesPlatform:
    return KubernetesPlatform(client, namespace, in_force_s=0.0)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def account(cluster: Cluster, namespace: str, tmp_path: Path) -> Path:
    return controllers.kubeconfig(cluster, namespace, tmp_path)


@pytest.fixture
def start(account: Path, namespace: str, runs: Path) -> Iterator[Start]:
    """Starts a controller by the name that it has among them; all that were started are ended."""
    made: list[Process] = []

    def begin(holder: str, **options: Any) -> Process:
        made.append(Process(account, namespace, runs, holder, **options))
        return made[-1]

    yield begin
    for one in made:
        one.kill()

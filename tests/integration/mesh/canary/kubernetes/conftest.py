"""One control plane for all tests here, a namespace with a service in it for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import AsyncClient, KubeConfig

from delinkcious.chart import CHART
from delinkcious.tools.catalogue import ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER
from mesh.canary.kubernetes.platform import KubernetesPlatform
from tests.integration.mesh.canary.kubernetes import controllers, kubelet
from tests.integration.mesh.canary.kubernetes.cluster import Cluster
from tests.integration.mesh.canary.kubernetes.controllers import Process
from tests.integration.mesh.canary.kubernetes.service import Service
from tests.integration.mesh.canary.kubernetes.waiting import Start, until
from tests.tools import MADE_WITHIN_S, needed

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ISTIO = Path("tests/data/istio/virtualservice.yaml")
_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(MADE_WITHIN_S + 300))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    programs = {tool.name: needed(tool) for tool in (ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER)}
    with kubelet.running(tmp_path_factory.mktemp("kubernetes"), programs) as made:
        for file in (ISTIO, CHART / "crds" / "rollouts.yaml"):
            made.post(CRDS, yaml.safe_load(file.read_text()))
        for kind in ("virtualservices.networking.istio.io", "rollouts.delinkcious.io"):
            until(lambda kind=kind: _is_established(made, kind))  # type: ignore[misc]
        yield made


def _is_established(cluster: Cluster, kind: str) -> bool:
    conditions = cluster.get(f"{CRDS}/{kind}").get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    name = f"test-{next(_numbers)}"
    cluster.post("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


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

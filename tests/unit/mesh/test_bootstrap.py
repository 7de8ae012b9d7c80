"""What of MeshConfig stands in a proxy's bootstrap."""

from __future__ import annotations

import pytest

from mesh.local.bootstrap import bootstrap, command
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.envoy.proxy_config import concurrency
from mesh.local.model import Config
from mesh.local.resources import parse
from tests.unit.mesh.translate.world import PROXIES

LIMIT = "envoy.reloadable_features.max_request_headers_size_kb"
MESH = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{ name: istio, namespace: istio-system }}
data:
  mesh: |
    defaultConfig: {{ runtimeValues: {{ {LIMIT}: "1024" }} }}
"""


def test_runtime_values_are_added_to_our_own() -> None:
    values = mesh_config(Config(parse(MESH, "mesh.yaml"))).runtime_values
    proxy = next(iter(PROXIES.values()))
    plain, told = (bootstrap(proxy, given)["layered_runtime"]["layers"] for given in (None, values))
    assert told[0]["static_layer"] == plain[0]["static_layer"] | {LIMIT: "1024"}


def _threads(name: str, namespace: str, threads: int, selector: str = "") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {{ name: {name}, namespace: {namespace} }}
spec: {{ concurrency: {threads}{selector} }}
"""


@pytest.mark.parametrize(
    ("namespace", "app", "threads"),
    [("shop", "web", 4), ("shop", "api", 3), ("other", "web", 2), ("istio-system", "web", 2)],
)
def test_a_proxys_threads_are_its_workloads_then_its_namespaces_then_the_meshs(
    namespace: str, app: str, threads: int
) -> None:
    text = (
        _threads("mesh", "istio-system", 2)
        + _threads("shop", "shop", 3)
        + _threads("web", "shop", 4, ", selector: { matchLabels: { app: web } }")
    )
    config = Config(parse(text, "threads.yaml"))
    assert concurrency(config, namespace, {"app": app}) == threads
    assert concurrency(Config([]), namespace, {"app": app}) == 1


def test_a_proxy_is_started_with_its_threads_and_with_one_a_core_for_none() -> None:
    proxy = next(iter(PROXIES.values()))
    line = command(proxy, 3)
    assert line[line.index("--concurrency") + 1] == "3"
    assert "--concurrency" not in command(proxy, 0)

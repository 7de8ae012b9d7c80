"""What of MeshConfig stands in a proxy's bootstrap."""

from __future__ import annotations

from mesh.local.bootstrap import bootstrap
from mesh.local.envoy.mesh_config import mesh_config
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

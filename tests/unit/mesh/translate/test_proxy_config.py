"""How many threads a proxy starts with."""

from __future__ import annotations

from mesh.local import resources
from mesh.local.envoy.proxy_config import DEFAULT_CONCURRENCY, concurrency
from mesh.local.model import Config

MESH = """
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    defaultConfig: { concurrency: 0 }
"""


def _own(name: str, namespace: str, spec: str) -> str:
    return f"""---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {{ name: {name}, namespace: {namespace} }}
spec: {spec}
"""


def test_the_most_specific_word_counts() -> None:
    def threads(text: str) -> int:
        return concurrency(Config(resources.parse(text, "p.yaml")), "shop", {"app": "api"})

    everybody = _own("all", "istio-system", "{ concurrency: 4 }")
    namespace = _own("shop", "shop", "{ concurrency: 3 }")
    workload = _own("api", "shop", "{ selector: { matchLabels: { app: api } }, concurrency: 2 }")
    assert threads(_own("far", "far", "{ concurrency: 9 }")) == DEFAULT_CONCURRENCY
    assert threads(MESH) == 0
    assert threads(MESH + everybody) == 4
    assert threads(MESH + everybody + namespace) == 3
    assert threads(MESH + everybody + namespace + workload) == 2

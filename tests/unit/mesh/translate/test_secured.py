"""How a cluster's connections are secured is said as it is."""

from __future__ import annotations

import pytest

from mesh.local import resources, snapshot
from mesh.local.envoy import tls
from mesh.local.model import Config
from tests.unit.mesh.translate.world import PROXIES, REGISTRY

PAIR = "clientCertificate: /a, privateKey: /b"


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("connectionPool: { tcp: { maxConnections: 1 } }", "mutual TLS"),  # the mesh's own
        ("tls: { mode: ISTIO_MUTUAL }", "mutual TLS"),
        (f"tls: {{ mode: MUTUAL, {PAIR} }}", "mutual TLS"),
        ("tls: { mode: SIMPLE }", "TLS"),
        ("tls: { mode: SIMPLE }, proxyProtocol: { version: V1 }", "TLS"),
        ("tls: { mode: DISABLE }", "plain text"),
    ],
)
def test_words_for_each_mode(policy: str, said: str) -> None:
    text = f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: reviews, namespace: default }}
spec: {{ host: reviews, trafficPolicy: {{ {policy} }} }}
"""
    made = snapshot.build(PROXIES["client"], Config(resources.parse(text, "rule.yaml")), REGISTRY, {})
    assert tls.spoken(made.clusters["outbound|80||reviews.default.svc.cluster.local"]) == said

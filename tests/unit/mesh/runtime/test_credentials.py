"""Certificates of gateways as files that Envoy reads."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from mesh.local import files, resources
from mesh.local.model import Config, Proxy
from mesh.local.runtime.credentials import secrets

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
    - hosts: ["*"]
      port: {number: 8443, name: https, protocol: HTTPS}
      tls: {mode: MUTUAL, credentialName: shop-tls}
"""
PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
NAMES = (files.credential("shop-tls"), files.credential_authority("shop-tls"))


EDGE = Proxy(
    kind="gateway",
    name="edge-1",
    namespace="istio-system",
    labels={"istio": "ingressgateway"},
    service_account="edge",
    workload="edge",
    ip="127.20.0.1",
    app_ip="127.20.0.1",
    ports=(),
    egress=("127.20.0.1", 15001),
    admin=("127.20.0.1", 15000),
    folder=Path("/proxy"),
    annotations={},
)
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec:
  host: api.example.com
  WHO
  trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: MUTUAL, credentialName: api-tls}}]}
"""


def made(data: dict[str, bytes] | None) -> list[bytes]:
    text = GATEWAY
    if data is not None:
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        metadata = "{name: shop-tls, namespace: istio-system}"
        text += f"---\napiVersion: v1\nkind: Secret\nmetadata: {metadata}\ndata: {encoded}\n"
    found = secrets(EDGE, Config(resources.parse(text, "shop.yaml")))
    assert set(found) == set(NAMES)  # a listener whose file is missing would be refused, and all else with it
    return [found[name] for name in NAMES]


def test_a_secret_that_is_there_is_what_envoy_reads() -> None:
    own, authority = made({"tls.crt": PEM.encode(), "tls.key": PEM.encode(), "ca.crt": PEM.encode()})
    assert b"BEGIN CERTIFICATE" in own
    assert b"BEGIN CERTIFICATE" in authority


def test_one_that_is_not_there_yet_is_an_empty_file() -> None:
    empty = files.response("Secret", {})
    assert made(None) == [empty, empty]


def test_one_that_is_no_certificate_is_an_empty_file() -> None:
    empty = files.response("Secret", {})
    for wrong in (b"\xff\xfe", b"", "Bü".encode()):
        assert made({"tls.crt": wrong, "tls.key": wrong, "ca.crt": wrong}) == [empty, empty]


def test_a_sidecar_reads_the_secrets_of_rules_that_name_its_workload() -> None:
    client = replace(EDGE, kind="sidecar", namespace="shop", labels={"app": "client"})
    mine = {files.credential("api-tls"), files.credential_authority("api-tls")}
    for who, readers in (
        ("workloadSelector: {matchLabels: {app: client}}", [client]),
        ("workloadSelector: {matchLabels: {app: other}}", []),
        ("subsets: []", [EDGE]),
    ):
        config = Config(resources.parse(RULE.replace("WHO", who), "shop.yaml"))
        found = {proxy.name + proxy.kind: set(secrets(proxy, config)) for proxy in (client, EDGE)}
        assert {name for name, names in found.items() if names == mine} == {p.name + p.kind for p in readers}

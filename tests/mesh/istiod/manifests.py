"""What runs in the meshes of these tests: two versions of `reviews`, a TCP service, a gateway."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.mesh.runtime.manifests import Manifests
from tests.mesh.translate.authority import Authority

TCP_ECHO = str(Path(__file__).parent / "tcp_echo.py")
HOST = "shop.example.com"
AUTHORITY = Authority("edge.example")


def platform() -> str:
    manifests = Manifests()
    return (
        manifests.versions()
        + manifests.split(100)
        + manifests.gateway()
        + _tcp_service()
        + _edge()
        + _text("security.istio.io/v1", "PeerAuthentication", "default", {"mtls": {"mode": "STRICT"}})
    )


def _tcp_service() -> str:
    labels = {"app": "echo"}
    container = {
        "name": "app",
        "image": "none",
        "command": ["python", TCP_ECHO],
        "ports": [{"name": "tcp", "containerPort": 9000}],
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 2, "containers": [container]},
    }
    ports = [{"name": "tcp", "port": 9000, "targetPort": "tcp"}]
    return _text(
        "apps/v1", "Deployment", "echo", {"selector": {"matchLabels": labels}, "template": template}
    ) + _text("v1", "Service", "echo", {"selector": labels, "ports": ports})


def _edge() -> str:
    """A second gateway, which ends TLS by a certificate that a Secret holds."""
    certificate, key = AUTHORITY.issue([x509.DNSName(HOST)])
    data = {
        name: base64.b64encode(text.encode()).decode()
        for name, text in {"tls.crt": certificate, "tls.key": key}.items()
    }
    labels = {"istio": "edge"}
    container = {"name": "istio-proxy", "image": "auto", "ports": [{"containerPort": 8443}]}
    template = {
        "metadata": {"labels": labels, "annotations": {"inject.istio.io/templates": "gateway"}},
        "spec": {"containers": [container]},
    }
    server = {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": [HOST],
        "tls": {"mode": "SIMPLE", "credentialName": "edge"},
    }
    route = {"route": [{"destination": {"host": "reviews"}}]}
    ports = [{"name": "https", "port": 443, "targetPort": 8443}]
    return (
        "---\n"
        + json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "edge"}, "data": data})
        + "\n"
        + _text("apps/v1", "Deployment", "edge", {"selector": {"matchLabels": labels}, "template": template})
        + _text("v1", "Service", "edge", {"selector": labels, "ports": ports})
        + _text("networking.istio.io/v1", "Gateway", "edge", {"selector": labels, "servers": [server]})
        + _text(
            "networking.istio.io/v1",
            "VirtualService",
            "edge",
            {"hosts": [HOST], "gateways": ["edge"], "http": [route]},
        )
    )


def _text(version: str, kind: str, name: str, spec: Any) -> str:
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return f"---\n{json.dumps(body)}\n"

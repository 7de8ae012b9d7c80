"""The workloads of the suite as Kubernetes manifests, and what a case may name of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509

from tests.mesh.translate.authority import Authority
from tests.mesh.translate.tokens import Signer

FILE = Path(__file__).parent / "platform.yaml"
GATEWAY = "ingressgateway"
ROOT_NAMESPACE = "istio-system"
# Names of a workload's ports: those of the service's ports that lead to them.
TARGETS = {"http": "http", "http-admin": "admin", "tcp": "tcp", "tls": "tls"}
MESH_CONFIG = "accessLogFile: /dev/stdout\n"


class Workload(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A Deployment with one pod; `serves` are its ports by name."""

    name: str
    labels: dict[str, str]
    namespace: str = "default"
    serves: dict[str, int] = {}
    sidecar: bool = True


class Service(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A Service with its ports by name, in front of the pods that are labelled `app: APP`."""

    name: str
    app: str
    ports: dict[str, int]
    namespace: str = "default"


class Platform(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    workloads: list[Workload]
    services: list[Service]
    gateway: dict[str, tuple[int, int]]


def load() -> Platform:
    return msgspec.yaml.decode(FILE.read_bytes(), type=Platform)


class Credentials:
    """Certificates and tokens of one run; `values` are what a case writes as ${NAME}."""

    def __init__(self) -> None:
        self.edge = Authority("edge")
        self.stranger = Authority("stranger")
        self.signer = Signer()
        self.other_signer = Signer("other")
        self.values: dict[str, str | int] = {
            "JWKS": self.signer.jwks,
            "OTHER_JWKS": self.other_signer.jwks,
            "EDGE_ROOT": self.edge.root,
        }

    def server(self, *names: str) -> tuple[str, str]:
        """A certificate and its key for these DNS names."""
        return self.edge.issue([x509.DNSName(name) for name in names])

    def client(self, kind: str) -> tuple[str, str]:
        """A client's certificate and its key: one that the gateway trusts, or one that it does not."""
        authority = self.edge if kind == "trusted" else self.stranger
        return authority.issue([x509.DNSName("client.example")])


def manifests(platform: Platform, credentials: Credentials) -> str:
    """Everything but Istio's kinds, as JSON documents."""
    objects = [_namespace("default"), _namespace("other"), _namespace(ROOT_NAMESPACE)]
    accounts = {(workload.namespace, workload.labels["app"]) for workload in platform.workloads}
    objects += [_object("v1", "ServiceAccount", name, namespace) for namespace, name in sorted(accounts)]
    objects += [_deployment(workload) for workload in platform.workloads]
    objects += [_service(service) for service in platform.services]
    objects += [*_gateway(platform.gateway), *_secrets(credentials)]
    objects.append(_object("v1", "ConfigMap", "istio", ROOT_NAMESPACE, {"data": {"mesh": MESH_CONFIG}}))
    return "".join(f"---\n{json.dumps(each)}\n" for each in objects)


def _object(version: str, kind: str, name: str, namespace: str, body: Mapping[str, Any] | None = None) -> Any:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **(body or {})}


def _namespace(name: str) -> Any:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _deployment(workload: Workload) -> Any:
    served = {"http": "http", "admin": "http", "tcp": "tcp", "tls": "tls"}
    ports = " ".join(f"{served[name]}={port}" for name, port in workload.serves.items())
    env = {"POD_WORKLOAD": workload.name, "PORTS": ports}
    env |= {"CERTIFICATE": "/tls/tls.crt", "KEY": "/tls/tls.key"} if "tls" in workload.serves else {}
    container: dict[str, Any] = {
        "name": "app",
        "image": "none",
        "command": ["python", "-m", "tests.mesh.conformance.workload"],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "ports": [{"name": name, "containerPort": port} for name, port in workload.serves.items()],
    }
    if "http" in workload.serves:
        # Patient, so that a busy machine takes no pod away from a case.
        container["readinessProbe"] = {
            "httpGet": {"path": "/ready", "port": "http"},
            **{"periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 30},
        }
    spec: dict[str, Any] = {
        "serviceAccountName": workload.labels["app"],
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    if "tls" in workload.serves:
        container["volumeMounts"] = [{"name": "tls", "mountPath": "/tls"}]
        spec["volumes"] = [{"name": "tls", "secret": {"secretName": "served"}}]
    annotations = {"delinkcious.io/preload": "asyncio ssl json"}
    if not workload.sidecar:
        annotations["sidecar.istio.io/inject"] = "false"
    template = {"metadata": {"labels": workload.labels, "annotations": annotations}, "spec": spec}
    body = {"spec": {"replicas": 1, "selector": {"matchLabels": workload.labels}, "template": template}}
    return _object("apps/v1", "Deployment", workload.name, workload.namespace, body)


def _service(service: Service) -> Any:
    ports = [
        {"name": name, "port": port, "targetPort": TARGETS[name]} for name, port in service.ports.items()
    ]
    spec = {"selector": {"app": service.app}, "ports": ports}
    return _object("v1", "Service", service.name, service.namespace, {"spec": spec})


def _gateway(ports: Mapping[str, tuple[int, int]]) -> Iterator[Any]:
    labels = {"app": GATEWAY, "istio": GATEWAY}
    container = {
        "name": "istio-proxy",
        "image": "auto",
        "ports": [{"containerPort": target} for _, target in ports.values()],
    }
    template = {
        "metadata": {"labels": labels, "annotations": {"inject.istio.io/templates": "gateway"}},
        "spec": {"serviceAccountName": GATEWAY, "containers": [container]},
    }
    spec = {"selector": {"matchLabels": labels}, "template": template}
    yield _object("v1", "ServiceAccount", GATEWAY, ROOT_NAMESPACE)
    yield _object("apps/v1", "Deployment", GATEWAY, ROOT_NAMESPACE, {"spec": spec})
    served = [{"name": name, "port": port, "targetPort": target} for name, (port, target) in ports.items()]
    yield _object("v1", "Service", GATEWAY, ROOT_NAMESPACE, {"spec": {"selector": labels, "ports": served}})


def _secrets(credentials: Credentials) -> Iterator[Any]:
    """`edge` (with what clients are trusted by) and `edge-simple` of the gateway, `served` of a workload."""
    certificate, key = credentials.server("example.com", "*.example.com", "example.org")
    own = {"tls.crt": certificate, "tls.key": key}
    yield _secret("edge", ROOT_NAMESPACE, {**own, "ca.crt": credentials.edge.root})
    yield _secret("edge-simple", ROOT_NAMESPACE, own)
    certificate, key = credentials.server("ratings.default.svc.cluster.local", "secure.example.com")
    yield _secret("served", "default", {"tls.crt": certificate, "tls.key": key})


def _secret(name: str, namespace: str, texts: Mapping[str, str]) -> Any:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return _object("v1", "Secret", name, namespace, {"type": "Opaque", "data": data})

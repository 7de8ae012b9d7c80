"""Manifests and Istio YAML of the runtime's tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

ECHO = str(Path(__file__).parents[1] / "apps" / "echo.py")


class Manifests:
    """YAML texts; every Deployment runs the echo server."""

    echo = ECHO

    def deployment(
        self,
        name: str,
        *,
        app: str | None = None,
        version: str = "v1",
        replicas: int = 1,
        env: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        container: dict[str, Any] | None = None,
        spec: dict[str, Any] | None = None,
    ) -> str:
        variables = {"VERSION": version, **(env or {})}
        labels = {"app": app or name, "version": version}
        body = {
            "name": "app",
            "image": "none",
            "command": ["python", ECHO],
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": key, "value": value} for key, value in variables.items()],
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
            **(container or {}),
        }
        template = {
            "metadata": {"labels": labels, "annotations": annotations or {}},
            "spec": {"terminationGracePeriodSeconds": 5, "containers": [body], **(spec or {})},
        }
        return self._text(
            "apps/v1",
            "Deployment",
            name,
            {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        )

    def service(self, name: str) -> str:
        ports = [{"name": "http", "port": 80, "targetPort": "http"}]
        return self._text("v1", "Service", name, {"selector": {"app": name}, "ports": ports})

    def job(self, name: str, command: list[str], **metadata: dict[str, str]) -> str:
        container = {"name": "app", "image": "none", "command": command}
        template = {
            "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
        return self._text("batch/v1", "Job", name, {"template": template, "backoffLimit": 1}, **metadata)

    def pair(self, **options: Any) -> str:
        """A client, and a service `reviews` behind one pod."""
        return self.deployment("client") + self.deployment("reviews", **options) + self.service("reviews")

    def split(self, v1: int) -> str:
        """Two subsets of `reviews` and the weights between them."""
        route = [
            {"destination": {"host": "reviews", "subset": "v1"}, "weight": v1},
            {"destination": {"host": "reviews", "subset": "v2"}, "weight": 100 - v1},
        ]
        subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
        rule = {"host": "reviews", "subsets": subsets}
        return self._text(
            "networking.istio.io/v1",
            "VirtualService",
            "reviews",
            {"hosts": ["reviews"], "http": [{"route": route}]},
        ) + self._text("networking.istio.io/v1", "DestinationRule", "reviews", rule)

    def gateway(self) -> str:
        """An ingress gateway in front of `reviews`."""
        labels = {"istio": "ingressgateway"}
        container = {"name": "istio-proxy", "image": "auto", "ports": [{"containerPort": 8080}]}
        template = {
            "metadata": {"labels": labels, "annotations": {"inject.istio.io/templates": "gateway"}},
            "spec": {"containers": [container]},
        }
        service = {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
        route = {"route": [{"destination": {"host": "reviews"}}]}
        return (
            self._text(
                "apps/v1", "Deployment", "gate", {"selector": {"matchLabels": labels}, "template": template}
            )
            + self._text("v1", "Service", "gate", service)
            + self._text(
                "networking.istio.io/v1", "Gateway", "gate", {"selector": labels, "servers": [server]}
            )
            + self._text(
                "networking.istio.io/v1",
                "VirtualService",
                "gate",
                {"hosts": ["*"], "gateways": ["gate"], "http": [route]},
            )
        )

    def versions(self) -> str:
        """A client, and a service `reviews` with two versions."""
        return (
            self.deployment("client")
            + self.service("reviews")
            + self.deployment("reviews-v1", app="reviews", version="v1")
            + self.deployment("reviews-v2", app="reviews", version="v2")
        )

    def denial(self, path: str) -> str:
        spec = {
            "selector": {"matchLabels": {"app": "reviews"}},
            "action": "DENY",
            "rules": [{"to": [{"operation": {"paths": [path]}}]}],
        }
        return self._text("security.istio.io/v1", "AuthorizationPolicy", "denial", spec)

    def strict(self) -> str:
        return self._text(
            "security.istio.io/v1", "PeerAuthentication", "default", {"mtls": {"mode": "STRICT"}}
        )

    def authentication(self, jwks_uri: str) -> str:
        spec = {
            "selector": {"matchLabels": {"app": "reviews"}},
            "jwtRules": [{"issuer": "https://issuer.example", "jwksUri": jwks_uri}],
        }
        return self._text("security.istio.io/v1", "RequestAuthentication", "tokens", spec)

    def config_map(self, name: str, **data: str) -> str:
        return (
            "---\n"
            + json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
            + "\n"
        )

    def _text(
        self, version: str, kind: str, name: str, spec: dict[str, Any], **metadata: dict[str, str]
    ) -> str:
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
        return "---\n" + yaml.safe_dump(body)

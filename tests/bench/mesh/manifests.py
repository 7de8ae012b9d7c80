"""What runs while edits are measured: eight pods with sidecars, of which one calls and two answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mesh.local.model import Json
from tests.mesh.runtime.manifests import ECHO

SIDECARS = 8
SERVICE, CALLER = "reviews", "client"
GENERATION = "/generation"  # answered by the sidecar of whoever asks, with the number of the edit
_IDLE = ["python", "-c", "import signal; signal.pause()"]


def platform() -> str:
    """YAML of the pods, of the service and of its subsets."""
    idle = [f"idle-{number}" for number in range(SIDECARS - 3)]
    objects: list[Json] = [
        *(_deployment(name, name, "v1", _IDLE) for name in (CALLER, *idle)),
        *(
            _deployment(f"{SERVICE}-{version}", SERVICE, version, ["python", ECHO])
            for version in ("v1", "v2")
        ),
        _service(),
        _object(
            "networking.istio.io/v1", "DestinationRule", SERVICE, {"host": SERVICE, "subsets": [*_subsets()]}
        ),
    ]
    return "".join(f"---\n{json.dumps(each)}\n" for each in objects)


def edit(number: int) -> str:
    """The VirtualService of the service after so many edits: the number, and another split each time."""
    share = 10 * (number % 11)
    split = [
        {"destination": {"host": SERVICE, "subset": "v1"}, "weight": share},
        {"destination": {"host": SERVICE, "subset": "v2"}, "weight": 100 - share},
    ]
    told = {
        "match": [{"uri": {"exact": GENERATION}}],
        "directResponse": {"status": 200, "body": {"string": str(number)}},
    }
    spec = {"hosts": [SERVICE], "http": [told, {"route": split}]}
    return json.dumps(_object("networking.istio.io/v1", "VirtualService", SERVICE, spec))


def _subsets() -> Iterator[Json]:
    for version in ("v1", "v2"):
        yield {"name": version, "labels": {"version": version}}


def _service() -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return _object("v1", "Service", SERVICE, {"selector": {"app": SERVICE}, "ports": ports})


def _deployment(name: str, app: str, version: str, command: list[str]) -> Json:
    labels = {"app": app, "version": version}
    container: Json = {
        "name": "app",
        "image": "none",
        "command": command,
        "env": [{"name": "VERSION", "value": version}],
    }
    if command is not _IDLE:
        container["ports"] = [{"name": "http", "containerPort": 8080}]
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}
    pod = {"terminationGracePeriodSeconds": 2, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return _object("apps/v1", "Deployment", name, {"selector": {"matchLabels": labels}, "template": template})


def _object(version: str, kind: str, name: str, spec: dict[str, Any]) -> Json:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

"""The seam between the suite and a control plane: what is to be in force, and where the pods are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mesh.local import resources
from mesh.local.model import InvalidConfig
from mesh.local.runtime.applied import Key
from mesh.local.runtime.errors import MeshError
from tests.mesh.conformance import platform
from tests.mesh.runtime.conftest import Running

# No connection outlives a change of policy, so that the next case need not wait for it.
UNPOOLED = ("--drain-time", "0")


@dataclass(frozen=True)
class Pod:
    """Where a pod is: `ports` are addresses by service port, `egress`, `admin` and `log` its sidecar's."""

    ports: Mapping[str, tuple[str, int]]
    egress: tuple[str, int] | None
    admin: tuple[str, int] | None
    log: Path


class ControlPlane(Protocol):
    """A running platform under one control plane."""

    name: str

    def start(self) -> None: ...

    def replace(self, text: str) -> str | None:
        """Put these objects in the place of the last ones. None once they are in force, else why not."""

    def pod(self, workload: str) -> Pod: ...

    def gateway(self, port: int) -> tuple[str, int]:
        """Where a port of the gateway's Service is."""

    def close(self) -> None: ...


class Embedded:
    """The mesh's own control plane."""

    name = "embedded"
    options: tuple[str, ...] = UNPOOLED
    started_within_s = 60.0

    def __init__(self, folder: Path, credentials: platform.Credentials) -> None:
        self._mesh = Running(folder, *self.options)
        loaded = platform.load()
        self._targets = dict(loaded.gateway.values())
        described = platform.manifests(loaded, credentials)
        (self._mesh.files / "platform.yaml").write_text(described)
        self._keys: list[Key] = []
        self._pods: dict[str, Pod] = {}
        self._address = ""

    def start(self) -> None:
        self._mesh.start(self.started_within_s)
        for shown in self._mesh.client.get("/get/pods"):
            self._pods[shown["workload"]] = self._pod(shown)
        services = self._mesh.client.get("/get/services")
        self._address = next(each["publicIp"] for each in services if each["name"] == platform.GATEWAY)

    def replace(self, text: str) -> str | None:
        said = {
            "documents": [{"file": "case.yaml", "text": text}],
            "instead_of": self._keys,
        }
        try:
            self._mesh.client.post("/apply", said)
        except MeshError as error:
            return str(error)
        self._keys = _keys(text)
        return None

    def pod(self, workload: str) -> Pod:
        return self._pods[workload]

    def gateway(self, port: int) -> tuple[str, int]:
        return self._address, self._targets[port]

    def explained(self, workload: str, method: str, url: str, headers: Mapping[str, str]) -> Any:
        """What `mesh explain` says of a request."""
        asked = {"pod": workload, "method": method, "url": url, "headers": list(headers.items())}
        return self._mesh.client.post("/explain", asked)

    def close(self) -> None:
        self._mesh.close()

    def _pod(self, shown: dict[str, Any]) -> Pod:
        folder = self._mesh.state.pods / shown["namespace"] / shown["name"]
        return Pod(
            {port: _address(place) for port, place in shown["ports"].items()},
            _address(shown["egress"]) if shown["egress"] else None,
            _address(shown["admin"]) if shown["admin"] else None,
            folder / "logs" / "istio-proxy.log",
        )


class Istiod(Embedded):
    """A real istiod over the same workloads, its programs compiled once."""

    name = "istiod"
    options = ("--control-plane", "istiod", *UNPOOLED)
    started_within_s = 180.0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _keys(text: str) -> list[Key]:
    try:
        return [each.key for each in resources.parse(text, "case.yaml")]
    except InvalidConfig:
        return []


PLANES: dict[str, Callable[[Path, platform.Credentials], ControlPlane]] = {
    plane.name: plane for plane in (Embedded, Istiod)
}

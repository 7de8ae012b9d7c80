"""Refuses before a start what a Pod could not be run with (pure but for the paths it names)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mesh.local import templates
from mesh.local.inside import ADMIN_PORT, EGRESS_PORT
from mesh.local.model import Config, Finding, Json
from mesh.local.resources import finding
from mesh.local.runtime import environment, volumes
from mesh.local.runtime.addresses import Pair
from mesh.local.runtime.environment import Place
from mesh.local.runtime.manifest import FieldPath, PodManifest, Refused
from mesh.local.runtime.probes import action, host_of, probes
from mesh.local.runtime.workload import Workload

RESERVED = {ADMIN_PORT: "the admin interface", EGRESS_PORT: "the outbound side"}
_PLACE = Place(Pair("127.0.0.1", "127.0.0.1"), ("127.0.0.1", 1))
_FOLDER = Path("/")


def findings(everything: Sequence[Workload], config: Config) -> Iterator[Finding]:
    """One error per workload that cannot be run as it is written."""
    for workload in everything:
        pod = workload.pod(0)
        try:
            _try_out(pod, config)
        except Refused as refused:
            yield _found(workload, refused)


def offline(everything: Sequence[Workload]) -> Iterator[Finding]:
    """As `findings`, as far as that can be said when ConfigMaps and Secrets may come from elsewhere."""
    for workload in everything:
        pod = workload.pod(0)
        try:
            _shared_ports(pod)
            for index, body, path in _containers(pod):
                _try_out_alone(pod, index, body, path)
        except Refused as refused:
            yield _found(workload, refused)


def _found(workload: Workload, refused: Refused) -> Finding:
    path = (*templates.path(workload.resource), *refused.path)
    return finding(workload.resource, path, str(refused), id="DM0004")


def _try_out(pod: PodManifest, config: Config) -> None:
    volumes.contents(pod, config, environment.fields(pod, _PLACE))
    _shared_ports(pod)
    for index, body, path in _containers(pod):
        _try_out_alone(pod, index, body, path)
        variables = environment.environment(pod, body, path, _PLACE, config)
        volumes.mounts(pod, body, path, _FOLDER, variables)


def _shared_ports(pod: PodManifest) -> None:
    """Containers of a pod share its address; only one of those that run together can have a port."""
    taken: dict[int, str] = {}
    for _, body, path in _containers(pod):
        if path[1] == "initContainers" and body.get("restartPolicy") != "Always":
            continue
        for index, port in enumerate(body.get("ports") or []):
            number = int(port["containerPort"])
            owner = taken.setdefault(number, body["name"])
            if owner != body["name"]:
                where = (*path, "ports", index, "containerPort")
                raise Refused(
                    where,
                    f"the container {owner} listens on {number} too: containers of a pod share its address",
                )


def _containers(pod: PodManifest) -> Iterator[tuple[int, Json, FieldPath]]:
    """Every container that is a process of its own, with its place."""
    for word in ("initContainers", "containers"):
        if not (pod.gateway and word == "containers"):
            for index, body in enumerate(pod.spec.get(word) or []):
                yield index, body, ("spec", word, index)


def _try_out_alone(pod: PodManifest, index: int, body: Json, path: FieldPath) -> None:
    """Judge what a container says without what it refers to."""
    pod.argv(index, str(path[1]))
    host = host_of(pod, _PLACE)
    probes(body, host, path)
    ports = {port.name: port.number for port in pod.ports}
    for name, hook in (body.get("lifecycle") or {}).items():
        action(hook, host, ports, (*path, "lifecycle", name))
    _reserved_ports(pod, body.get("ports") or [], path)


def _reserved_ports(pod: PodManifest, ports: Sequence[dict[str, object]], path: FieldPath) -> None:
    for index, port in enumerate(ports):
        number = port.get("containerPort")
        if pod.injected and isinstance(number, int) and number in RESERVED:
            where = (*path, "ports", index, "containerPort")
            raise Refused(where, f"{number} is {RESERVED[number]} of the sidecar")

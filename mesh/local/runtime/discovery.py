"""The pods of a mesh as Prometheus sees those of a cluster: scrape targets in a file (pure).

A target has the meta labels that `kubernetes_sd_configs` gives with the role `pod`, so that one set of
`relabel_configs` serves both. A pod asks for the file by a volume `csi: {driver: discovery.delinkcious.io}`;
in it, `pods.json` is in the format of `file_sd_configs` and changes as pods come and go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from mesh.local.listening import listens
from mesh.local.model import Json
from mesh.local.runtime.manifest import PROXY_CONTAINER
from mesh.local.runtime.pod import Pod

FILE = "pods.json"
META = "__meta_kubernetes_"
# Where a sidecar shows its statistics, as Istio names that port; here it is Envoy's admin interface.
PROXY_PORT = "http-envoy-prom"
_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")


def targets(running: Iterable[Pod]) -> bytes:
    """The file: one target for each port of each container whose process runs, sidecars among them."""
    pods = sorted((pod for pod in running if not pod.stopping), key=lambda pod: pod.manifest.key)
    return msgspec.json.format(msgspec.json.encode([group for pod in pods for group in _groups(pod)]))


def _groups(pod: Pod) -> Iterator[Json]:
    manifest = pod.manifest
    common = _labels(pod)
    known = listens(manifest.annotations, pod.place.host) if pod.sidecar is not None else {}
    bodies = {body["name"]: body for body in manifest.containers}
    for container in pod.containers:
        if container.state == "Running" and (body := bodies.get(container.definition.name)):
            for port in body.get("ports") or []:
                # The process itself: a scrape through the sidecar would need a certificate, and be counted.
                number = int(port["containerPort"])
                address = known.get(number, (pod.place.host, number))
                yield _group(common, body["name"], port.get("name") or "", address)
    if pod.sidecar is not None and pod.sidecar.container.state == "Running":
        yield _group(common, PROXY_CONTAINER, PROXY_PORT, pod.sidecar.proxy.admin)


def _group(common: Json, container: str, port: str, address: tuple[str, int]) -> Json:
    own = {"container_name": container, "container_port_name": port, "container_port_number": str(address[1])}
    labels = common | {f"{META}pod_{name}": value for name, value in own.items()}
    return {"targets": [f"{address[0]}:{address[1]}"], "labels": labels}


def _labels(pod: Pod) -> Json:
    manifest = pod.manifest
    found = {
        f"{META}namespace": manifest.namespace,
        f"{META}pod_name": manifest.name,
        f"{META}pod_ip": pod.place.addresses.pod,
        f"{META}pod_phase": pod.phase,
        f"{META}pod_controller_name": manifest.workload,
    }
    for word, values in (("label", manifest.labels), ("annotation", manifest.annotations)):
        for name, value in values.items():
            safe = _NO_NAME.sub("_", name)
            found[f"{META}pod_{word}_{safe}"] = str(value)
            found[f"{META}pod_{word}present_{safe}"] = "true"
    return found

"""Objects of a Kubernetes API as the mesh knows them (pure): what a server adds is left out."""

from __future__ import annotations

from typing import Any

from mesh.local.model import Json, Resource, Source
from mesh.local.runtime.manifest import PodManifest
from mesh.local.schema.kubernetes.pod import POD_SPEC
from mesh.local.schema.metadata import HONOURED
from mesh.local.schema.report import At, Report

SERVER = "kubernetes"  # the file of what no file holds
HASH = "pod-template-hash"
DEADLINE = "activeDeadlineSeconds"
ACCESS = "kube-api-access-"  # the volume that every Pod gets
_KEPT = ("name", "namespace", "labels", "annotations")


def resource(body: Json) -> Resource:
    """One object that the mesh acts on."""
    metadata = body["metadata"]
    kept: Json = {key: value for key, value in body.items() if key not in ("metadata", "status")}
    kept["metadata"] = {key: metadata[key] for key in _KEPT if metadata.get(key) is not None}
    kept = _without_nulls(kept)
    if body["kind"] == "Deployment":
        kept = _deployment(kept)
    source = Source(SERVER, 0)
    return Resource(
        body["apiVersion"], body["kind"], metadata.get("namespace") or "", metadata["name"], kept, source
    )


def _deployment(body: Json) -> Json:
    """What the mesh has to know of one: which pods it makes, by what Services and policy pick them.

    The pods themselves come from the server, so that what stands in the rest is no news.
    """
    template = body["spec"]["template"]
    metadata, spec = template.get("metadata") or {}, template["spec"]
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key in HONOURED
    }
    containers = [
        {key: one[key] for key in ("name", "image", "ports") if key in one} for one in spec["containers"]
    ]
    seen: Json = {"containers": containers}
    if account := spec.get("serviceAccountName"):
        seen["serviceAccountName"] = account
    return {
        **body,
        "metadata": {key: value for key, value in body["metadata"].items() if key != "annotations"},
        "spec": {
            "replicas": body["spec"].get("replicas", 1),
            "selector": body["spec"]["selector"],
            "template": {
                "metadata": {"labels": metadata.get("labels") or {}, "annotations": annotations},
                "spec": seen,
            },
        },
    }


def pod_manifest(body: Json) -> PodManifest:
    """A Pod that is bound to this node."""
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    kept = {"metadata": {key: metadata.get(key) or {} for key in ("labels", "annotations")}}
    spec = _without_token(_without_nulls(body["spec"]))
    spec.pop("serviceAccount", None)  # the server's copy of serviceAccountName
    return PodManifest(
        metadata["name"],
        metadata["namespace"],
        workload(body),
        {**kept, "spec": spec},
        labels.get(HASH, ""),
        _refusal(metadata, spec),
    )


def _refusal(metadata: Json, spec: Json) -> str:
    """What of a Pod the local mesh does not do, field by field: nothing is skipped silently."""
    body: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    report = Report(Resource("v1", "Pod", metadata["namespace"], metadata["name"], body, Source(SERVER, 0)))
    POD_SPEC.check(spec, At(report) / "spec")
    return "; ".join(f"{one.field}: {one.message}" for one in report.findings if one.level == "error")


def workload(body: Json) -> str:
    """The name of what made a Pod, as Istio finds it: a ReplicaSet is its Deployment's."""
    metadata = body["metadata"]
    owner = next((one for one in metadata.get("ownerReferences") or [] if one.get("controller")), None)
    if owner is None:
        return str(metadata["name"])
    suffix = f"-{(metadata.get('labels') or {}).get(HASH, '')}"
    name = str(owner["name"])
    return name.removesuffix(suffix) if owner["kind"] == "ReplicaSet" else name


def _without_token(spec: Json) -> Json:
    """Without the account's token: programs look for it at a fixed path, where nothing can be mounted."""

    def others(entries: list[Json]) -> list[Json]:
        return [entry for entry in entries if not entry["name"].startswith(ACCESS)]

    found = {**spec, "volumes": others(spec.get("volumes") or [])}
    for word in ("initContainers", "containers"):
        if word in spec:
            found[word] = [
                {**one, "volumeMounts": others(one.get("volumeMounts") or [])} for one in spec[word]
            ]
    return found


def _without_nulls(value: Any) -> Any:
    """As files are read: a field that is null is not there."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value

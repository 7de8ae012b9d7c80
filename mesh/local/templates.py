"""Where the Pod template of each kind of workload stands (pure)."""

from __future__ import annotations

from mesh.local.model import Json, Resource

Path = tuple[str | int, ...]

_USUAL: Path = ("spec", "template")
PATHS: dict[str, Path] = {
    "Deployment": _USUAL,
    "StatefulSet": _USUAL,
    "DaemonSet": _USUAL,
    "ReplicaSet": _USUAL,
    "Job": _USUAL,
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
# Those whose number of pods is written, and can be changed.
SCALED = ("Deployment", "StatefulSet", "ReplicaSet")
# Those whose pods go on for ever, and are replaced when their template changes.
LASTING = (*SCALED, "DaemonSet")


def path(resource: Resource) -> Path:
    """Where `metadata` and `spec` of the Pod stand in its object."""
    return PATHS[resource.kind]


def template(resource: Resource) -> Json:
    """The Pod template of a workload; a Pod is its own."""
    found = resource.body
    for part in PATHS[resource.kind]:
        found = found[part]  # type: ignore[index]
    if resource.kind != "Pod":
        return found
    metadata = found.get("metadata") or {}
    kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    return {"metadata": kept, "spec": found["spec"]}


def account(template: Json) -> str:
    """The name of the service account of a template's pods; `serviceAccount` is its older name."""
    spec = template["spec"]
    return spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"

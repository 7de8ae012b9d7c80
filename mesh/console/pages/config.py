"""What each sidecar is configured with, and the line that each part of it comes from."""

from __future__ import annotations

from starlette.responses import Response

from mesh.console.page import Visit
from mesh.console.topology.state import Pod
from mesh.local.explain.answer import Place

KINDS = (
    ("listeners", "Listeners", "where it takes requests"),
    ("policies", "Policies", "what it demands of callers"),
    ("routes", "Routes", "in the order in which they are tried"),
    ("clusters", "Clusters", "the pods that it knows"),
)


async def show(visit: Visit) -> Response:
    """The pods with a sidecar, and one of them (`pod`, or the first of `workload`) in detail."""
    pods = (await visit.deps.control.topology()).pods
    chosen = _chosen(visit, pods)
    parts = None
    if chosen is not None:
        parts = await visit.deps.control.origins(chosen.name, chosen.namespace)
    near = visit.deps.settings.near

    def where(place: Place) -> str:
        return f"{near(place.file)}:{place.line}"

    return visit.render("config.html", pods=pods, chosen=chosen, parts=parts, kinds=KINDS, where=where)


def _chosen(visit: Visit, pods: list[Pod]) -> Pod | None:
    name, namespace, workload = (visit.text(key) for key in ("pod", "namespace", "workload"))
    for pod in pods:
        if pod.name == name and namespace in ("", pod.namespace):
            return pod
    # A pod that was replaced meanwhile: whoever looks at it means what it ran.
    wanted = workload or "/".join((namespace, name.rpartition("-")[0].rpartition("-")[0]))
    return next((pod for pod in pods if pod.key == wanted), None)

"""What `mesh get workloads`, `jobs`, `cronjobs` and `hpa` show, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.local.model import Json
from mesh.local.runtime.autoscaler import target
from mesh.local.runtime.controller import Controller
from mesh.local.runtime.workload import Workload

if TYPE_CHECKING:
    from mesh.local.runtime.mesh import Mesh


def workloads(mesh: Mesh) -> list[Json]:
    """Everything that keeps pods running, and how many of them are."""
    return [_workload(mesh, each) for each in mesh.controller.wanted if each.kind != "Job"]


def _workload(mesh: Mesh, workload: Workload) -> Json:
    pods = mesh.controller.of(workload)
    return {
        "kind": workload.kind,
        "name": workload.resource.name,
        "namespace": workload.resource.namespace,
        "labels": dict(workload.resource.labels),
        "replicas": workload.replicas,
        "ready": sum(pod.ready for pod in pods),
        "upToDate": sum(pod.manifest.hash == workload.hash for pod in pods if not pod.stopping),
    }


def jobs(mesh: Mesh) -> list[Json]:
    """Every Job with how far it is, but for those that ended longer ago than they are to be seen."""
    made = mesh.controller.cron.workloads if isinstance(mesh.controller, Controller) else []
    declared = [each for each in mesh.controller.wanted if each.kind == "Job"]
    return [_job(mesh, workload) for workload in (*declared, *made) if not _is_hidden(mesh, workload)]


def _is_hidden(mesh: Mesh, workload: Workload) -> bool:
    run = mesh.controller.jobs.get(workload.key)
    return run is not None and run.shown_s(workload.resource.spec) == 0


def _job(mesh: Mesh, workload: Workload) -> Json:
    run = mesh.controller.jobs.get(workload.key)
    spec = workload.resource.spec
    state = "Suspended" if spec.get("suspend") else run.state if run is not None else "Pending"
    active = [pod for pod in mesh.controller.of(workload) if pod.phase in ("Pending", "Running")]
    return {
        "name": workload.resource.name,
        "namespace": workload.resource.namespace,
        "labels": dict(workload.resource.labels),
        "state": "Running" if state == "Pending" and active else state,
        "completions": spec.get("completions", 1),
        "succeeded": run.succeeded if run is not None else 0,
        "failed": run.failures if run is not None else 0,
        "active": len(active),
    }


def cronjobs(mesh: Mesh) -> list[Json]:
    if not isinstance(mesh.controller, Controller):
        return []
    cron, found = mesh.controller.cron, []
    for resource in mesh.desired.config.of("CronJob"):
        last = cron.last(resource.key)
        found.append(
            {
                "name": resource.name,
                "namespace": resource.namespace,
                "labels": dict(resource.labels),
                "schedule": resource.spec["schedule"],
                "timeZone": resource.spec.get("timeZone") or "UTC",
                "suspend": bool(resource.spec.get("suspend")),
                "active": [name for _, _, name in cron.active(resource.key)],
                "last": None if last is None else last.isoformat(),
            }
        )
    return found


def autoscalers(mesh: Mesh) -> list[Json]:
    """Every HorizontalPodAutoscaler with what it found last."""
    found = []
    counts = {each.key: each.replicas for each in mesh.controller.wanted}
    for resource in mesh.desired.config.of("HorizontalPodAutoscaler"):
        verdict = mesh.autoscaler.verdicts.get(resource.key)
        kind, _, name = target(resource)
        found.append(
            {
                "name": resource.name,
                "namespace": resource.namespace,
                "labels": dict(resource.labels),
                "reference": f"{kind.lower()}/{name}",
                "metrics": list(verdict.metrics) if verdict is not None else [],
                "minReplicas": resource.spec.get("minReplicas", 1),
                "maxReplicas": resource.spec["maxReplicas"],
                "replicas": counts.get(target(resource)),
                "message": verdict.trouble if verdict is not None else "",
            }
        )
    return found

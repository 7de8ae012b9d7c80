"""Which pod a command line means: `POD`, `NAMESPACE/POD`, or a workload's name, one of its pods (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mesh.local.runtime.errors import NotFound

# What people write before the name, as with kubectl.
KINDS = {
    **dict.fromkeys(("deployment", "deployments", "deploy", "deployment.apps"), "Deployment"),
    **dict.fromkeys(("statefulset", "statefulsets", "sts", "statefulset.apps"), "StatefulSet"),
    **dict.fromkeys(("daemonset", "daemonsets", "ds", "daemonset.apps"), "DaemonSet"),
    **dict.fromkeys(("replicaset", "replicasets", "rs", "replicaset.apps"), "ReplicaSet"),
    **dict.fromkeys(("job", "jobs", "job.batch"), "Job"),
}
# How the names of a workload's pods end.
_MADE = r"-[0-9a-f]{8}-\d+"
_ENDS = {"StatefulSet": r"-\d+"}

Pod = tuple[str, str]


def chosen(reference: str, namespace: str | None, pods: Sequence[Pod]) -> Pod:
    """One of `pods` (namespace, name); of a workload's, the first in their order. Raises NotFound.

    `deployment/NAME` means a Deployment, `sts/NAME` a StatefulSet; `NAME` and `NAMESPACE/NAME` mean a
    workload where no pod has that name.
    """
    written, _, name = reference.rpartition("/")
    kind = KINDS.get(written.lower())
    if kind is None:
        namespace = written or namespace
    there = [pod for pod in pods if namespace in (None, pod[0])]
    found = [] if kind else [pod for pod in there if pod[1] == name]
    ends = [_ENDS.get(kind, _MADE)] if kind else [_MADE, *_ENDS.values()]
    for end in ends if not found else ():
        of_workload = re.compile(re.escape(name) + end)
        found = found or [pod for pod in there if of_workload.fullmatch(pod[1])]
    if not found:
        where = f" in namespace {namespace}" if namespace and not (written and kind is None) else ""
        what = f'{kind.lower()} "{name}" has no pod' if kind else f'pod "{reference}" not found'
        raise NotFound(f"{what}{where}; `delinkcious mesh get pods` lists the pods")
    namespaces = sorted({pod[0] for pod in found})
    if len(namespaces) > 1:
        raise NotFound(f"{reference} is in several namespaces ({', '.join(namespaces)}): say which by -n")
    return found[0]

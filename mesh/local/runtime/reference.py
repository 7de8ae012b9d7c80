"""Which pod a command line means: `POD`, `NAMESPACE/POD`, or a Deployment's name, one of its pods (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mesh.local.runtime.errors import NotFound

DEPLOYMENTS = ("deployment", "deployments", "deploy", "deployment.apps")

Pod = tuple[str, str]


def chosen(reference: str, namespace: str | None, pods: Sequence[Pod]) -> Pod:
    """One of `pods` (namespace, name); of a Deployment's, the first in their order. Raises NotFound.

    `deployment/NAME` means a Deployment; `NAME` and `NAMESPACE/NAME` do where no pod has that name.
    """
    kind, _, name = reference.rpartition("/")
    if kind not in DEPLOYMENTS:
        namespace = kind or namespace
    there = [pod for pod in pods if namespace in (None, pod[0])]
    found = [] if kind in DEPLOYMENTS else [pod for pod in there if pod[1] == name]
    if not found:
        of_deployment = re.compile(rf"{re.escape(name)}-[0-9a-f]{{8}}-\d+")
        found = [pod for pod in there if of_deployment.fullmatch(pod[1])]
    if not found:
        what = f'deployment "{name}" has no pod here' if kind in DEPLOYMENTS else f'pod "{name}" not found'
        raise NotFound(f"{what}; `delinkcious mesh get pods` lists the pods")
    namespaces = sorted({pod[0] for pod in found})
    if len(namespaces) > 1:
        raise NotFound(f"{reference} is in several namespaces ({', '.join(namespaces)}): say which by -n")
    return found[0]

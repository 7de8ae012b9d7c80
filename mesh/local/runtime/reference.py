"""Which pod a command line means: `POD`, `NAMESPACE/POD` or `deployment/NAME`, one of its pods (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mesh.local.runtime.errors import NotFound

DEPLOYMENTS = ("deployment", "deployments", "deploy", "deployment.apps")

Pod = tuple[str, str]


def chosen(reference: str, namespace: str | None, pods: Sequence[Pod]) -> Pod:
    """One of `pods` (namespace, name); of a Deployment's, the first in their order. Raises NotFound."""
    kind, _, name = reference.rpartition("/")
    if kind in DEPLOYMENTS:
        pattern = re.compile(rf"{re.escape(name)}-[0-9a-f]{{8}}-\d+")
        what = f'deployment "{name}" has no pod here'
    else:
        namespace = kind or namespace
        pattern = re.compile(re.escape(name))
        what = f'pod "{name}" not found'
    found = [pod for pod in pods if pattern.fullmatch(pod[1]) and namespace in (None, pod[0])]
    if not found:
        raise NotFound(f"{what}; `delinkcious mesh get pods` lists the pods")
    namespaces = sorted({pod[0] for pod in found})
    if len(namespaces) > 1:
        raise NotFound(f"{reference} is in several namespaces ({', '.join(namespaces)}): say which by -n")
    return found[0]

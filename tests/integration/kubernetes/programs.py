"""What a control plane is made of, and whether this machine has it."""

from __future__ import annotations

from delinkcious.tools import finding, istio
from delinkcious.tools.catalogue import ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER

PROGRAMS = (ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER)


def missing() -> str:
    """What would have to be fetched or built first; "" for nothing."""
    names = [tool.name for tool in PROGRAMS if finding.find(tool) is None]
    if istio.kept() is None:
        names.append(istio.REQUIREMENT)
    return ", ".join(names)

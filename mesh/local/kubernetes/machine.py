"""This machine as the node of a Kubernetes: registered, and heard of for as long as the mesh runs."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psutil
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.types import PatchType

from mesh.local.kubernetes.kinds import LEASE, NODE, NODE_STATUS
from mesh.local.kubernetes.reflector import UNANSWERED
from mesh.local.model import Json
from mesh.local.runtime.environment import NODE as NAME

LEASES = "kube-node-lease"
LEASE_S = 40
HEARD_EVERY_S = 10.0
PODS = 250
PORT = 10250  # a kubelet's
# What Pods request is set aside for them in production; processes of a laptop share its cores.
CPU_SHARES = 8


async def register(client: AsyncClient, address: str) -> None:
    """Make this machine a node that takes Pods, asked at `address`. Raises one of UNANSWERED."""
    api: Any = client
    labels = {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux"}
    body: Any = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME, "labels": labels}}
    try:
        await api.create(NODE(body))
    except ApiError as error:
        if error.status.code != 409:
            raise
    await api.patch(NODE_STATUS, NAME, {"status": _status(address)}, patch_type=PatchType.STRATEGIC)


async def keep(client: AsyncClient, report: Callable[[str], None]) -> None:
    """Renew the node's lease, for ever: a node that is silent loses its Pods."""
    while True:
        try:
            await _renew(client)
        except UNANSWERED as error:
            report(f"the node's lease is not renewed, trying again: {error or type(error).__name__}")
        await asyncio.sleep(HEARD_EVERY_S)


async def _renew(client: Any) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": NAME, "leaseDurationSeconds": LEASE_S, "renewTime": now}
    metadata = {"name": NAME, "namespace": LEASES}
    body: Any = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    await client.apply(LEASE(body), force=True)


def _status(address: str) -> Json:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    room = {
        "cpu": str((psutil.cpu_count() or 1) * CPU_SHARES),
        "memory": str(psutil.virtual_memory().total),
        "pods": str(PODS),
    }
    machine = platform.uname()
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "MeshRuns",
        "message": "the local mesh runs Pods as processes",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {
        "capacity": room,
        "allocatable": room,
        "conditions": [ready],
        "addresses": [
            {"type": "InternalIP", "address": address},
            {"type": "Hostname", "address": NAME},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
        "nodeInfo": {
            "architecture": machine.machine,
            "operatingSystem": "linux",
            "osImage": "the local mesh",
            "kernelVersion": machine.release,
            "kubeletVersion": "v1.37.0+delinkcious",
            "containerRuntimeVersion": "process://1",
            "kubeProxyVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }

"""What applying resources would change, as plain data, without changing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mesh.local import snapshot
from mesh.local.diff.objects import object_changes
from mesh.local.diff.proxies import ProxyChange, Side, proxy_change
from mesh.local.envoy.view import View
from mesh.local.model import Config, Registry, Resource
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.registry import registry

if TYPE_CHECKING:
    from mesh.local.runtime.mesh import Mesh

UNKNOWN = "an address to be given"


async def difference(mesh: Mesh, spoken: Sequence[Resource]) -> Any:
    """Objects and proxies that would change. Raises InvalidConfig, Unanswered.

    Pods stay as they run: those of a new or changed workload are not thought of.
    """
    candidate = mesh.transactions.rehearse(spoken)
    await mesh.desired.judge(candidate.config)
    found = object_changes(mesh.desired.config, candidate.config)
    proxies = []
    if found:
        after = _registry(mesh, candidate.config)
        for pod in list(mesh.controller.pods.values()):
            change = _of(mesh, pod, candidate.config, after)
            await asyncio.sleep(0)  # whoever else asks is answered meanwhile
            if change is not None:
                manifest = pod.manifest
                proxies.append(
                    {"pod": manifest.name, "namespace": manifest.namespace, "workload": manifest.workload}
                    | msgspec.to_builtins(change)
                )
    return {
        "objects": msgspec.to_builtins(found),
        "proxies": sorted(proxies, key=lambda one: (one["namespace"], one["pod"])),
        "warnings": [str(warning) for warning in candidate.warnings],
    }


def _registry(mesh: Mesh, config: Config) -> Registry:
    """What would be known of Services; addresses are not given away for a rehearsal."""
    known = {f"{one.namespace}/{one.name}": one.public_ip for one in mesh.desired.registry().services}
    endpoints = (pod.endpoint for pod in mesh.controller.pods.values() if not pod.stopping)
    return registry(config, endpoints, lambda key: known.get(key) or UNKNOWN)


def _of(mesh: Mesh, pod: Pod, config: Config, after: Registry) -> ProxyChange | None:
    if pod.sidecar is None or pod.stopping or pod.failure:
        return None
    desired, proxy = mesh.desired, pod.sidecar.proxy
    keys = dict(desired.keys.texts)
    if desired.plane.translates:
        before = pod.sidecar.delivery.in_force.snapshot
    else:  # another control plane's words are not compared with ours: both sides are as ours would say it
        before = snapshot.build(proxy, desired.config, desired.registry(), keys)
    now = Side(View(proxy, desired.config, desired.registry(), keys), before)
    then = Side(View(proxy, config, after, keys), snapshot.build(proxy, config, after, keys))
    return proxy_change(now, then)

"""What a picture of the mesh needs to know, as plain data (pure): small enough to be asked every second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mesh.local.envoy import authorization_policy, istio_metrics
from mesh.local.envoy.destination_rule import rule_for
from mesh.local.envoy.peer_authentication import mode_of
from mesh.local.envoy.view import View, selects
from mesh.local.model import TRUST_DOMAIN, Config, Json, Registry, Snapshot
from mesh.local.runtime.pod import Pod

# Names of clusters of the mesh, with the weight that a route gives each.
Clusters = list[tuple[str, int]]


def topology(running: Iterable[Pod], config: Config, registry: Registry) -> Json:
    """Pods with a proxy; how their clients' routes, as in force, split traffic; whom policies let in.

    `splits` has every route that leads to subsets of a service: per client workload and service, each subset
    with its weight and its workloads. `allowed` names pairs of workloads.
    """
    pods = [pod for pod in running if pod.sidecar is not None and pod.phase != "Succeeded"]
    pods.sort(key=lambda pod: pod.manifest.key)
    firsts = list({_workload(pod): pod for pod in reversed(pods)}.values())[::-1]
    return {
        "pods": [_pod(pod, config) for pod in pods],
        "splits": [split for pod in firsts for split in _splits(pod, pods, config, registry)],
        "allowed": sorted({pair for pod in firsts for pair in _callers(pod, firsts, config, registry)}),
    }


def _workload(pod: Pod) -> str:
    return f"{pod.manifest.namespace}/{pod.manifest.workload}"


def _pod(pod: Pod, config: Config) -> Json:
    manifest, sidecar = pod.manifest, pod.sidecar
    assert sidecar is not None  # noqa: S101 - what `topology` picks
    host, port = sidecar.proxy.admin
    return {
        "name": manifest.name,
        "namespace": manifest.namespace,
        "workload": manifest.workload,
        "app": manifest.labels.get("app") or manifest.workload,
        "version": manifest.labels.get("version") or "",
        "account": f"{manifest.namespace}/{manifest.service_account}",
        "gateway": sidecar.proxy.kind == "gateway",
        "mtls": mode_of(config, manifest.namespace, manifest.labels),
        "ip": pod.place.addresses.pod,
        "admin": f"{host}:{port}",
        "metrics": istio_metrics.counts_requests(sidecar.delivery.in_force.snapshot.listeners.values()),
        "ready": pod.ready,
        "phase": "Terminating" if pod.stopping else pod.phase,
        "restarts": sum(container.restarts for container in pod.every_container()),
    }


def _splits(pod: Pod, pods: Sequence[Pod], config: Config, registry: Registry) -> Iterator[Json]:
    """Where a client's requests to each service go, as far as subsets tell."""
    assert pod.sidecar is not None  # noqa: S101 - what `topology` picks
    view = View(pod.sidecar.proxy, config, registry, {})
    found = divided(_destinations(pod.sidecar.delivery.in_force.snapshot))
    for service, clusters in found.items():
        shares = {}
        for name, weight in clusters:
            _, _, subset, hostname = name.split("|")
            if subset or len(clusters) > 1:
                workloads = _chosen(view, hostname, subset, pods)
                shares[subset or hostname] = {"weight": weight, "workloads": workloads}
        if shares:
            yield {"client": _workload(pod), "service": service, "to": shares}


def divided(destinations: Iterable[Clusters]) -> dict[str, Clusters]:
    """Per service the first route that divides its requests, else the last one: that for everybody."""
    found: dict[str, Clusters] = {}
    for clusters in destinations:
        hostname = clusters[0][0].split("|")[3]
        before = found.get(hostname, [])
        if len(before) < 2 and len(clusters) >= len(before):
            found[hostname] = clusters
    return found


def _destinations(snapshot: Snapshot) -> Iterator[Clusters]:
    """Of every route to the mesh: (cluster, weight)."""
    for table in snapshot.routes.values():
        for host in table.get("virtual_hosts") or []:
            for route in host.get("routes") or []:
                action = route.get("route") or {}
                weighted = (action.get("weighted_clusters") or {}).get("clusters")
                parts = weighted or [{"name": action.get("cluster", ""), "weight": 100}]
                pairs = [(part["name"], int(part["weight"])) for part in parts]
                if inside := [pair for pair in pairs if pair[0].startswith("outbound|")]:
                    yield inside


def _chosen(view: View, hostname: str, subset: str, pods: Sequence[Pod]) -> list[str]:
    """The workloads that a subset's labels pick among those of the service."""
    service = view.registry.service(hostname)
    labels = (rule_for(view, hostname).subsets.get(subset) or {}).get("labels") or {}
    if service is None:
        return []
    picked = (
        _workload(pod)
        for pod in pods
        if pod.manifest.namespace == service.namespace
        and selects({**service.selector, **labels}, pod.manifest.labels)
    )
    return sorted(set(picked))


def _callers(
    pod: Pod, firsts: Sequence[Pod], config: Config, registry: Registry
) -> Iterator[tuple[str, str]]:
    """Whom ALLOW rules name as callers of a pod."""
    assert pod.sidecar is not None  # noqa: S101 - what `topology` picks
    accounts: dict[str, list[Pod]] = {}
    for client in firsts:
        manifest = client.manifest
        principal = f"{TRUST_DOMAIN}/ns/{manifest.namespace}/sa/{manifest.service_account}"
        accounts.setdefault(principal, []).append(client)
    for policy in authorization_policy.policies(View(pod.sidecar.proxy, config, registry, {}), "ALLOW"):
        for rule in policy.spec.get("rules") or []:
            for entry in rule.get("from") or []:
                for principal in (entry.get("source") or {}).get("principals") or []:
                    yield from ((_workload(client), _workload(pod)) for client in accounts.get(principal, ()))

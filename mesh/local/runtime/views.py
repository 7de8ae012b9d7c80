"""What `mesh get` shows, as plain data (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mesh.local.envoy import tls
from mesh.local.envoy.view import selects
from mesh.local.model import ROOT_NAMESPACE, Config, Json, Registry
from mesh.local.runtime.held import Held
from mesh.local.runtime.pod import Pod

POLICIES = ("PeerAuthentication", "RequestAuthentication", "AuthorizationPolicy")


def pods(running: Iterable[Pod], registry: Registry) -> list[Json]:
    """Every Pod but those of Jobs that have succeeded."""
    shown = [pod for pod in running if pod.phase != "Succeeded"]
    return [_pod(pod, registry) for pod in sorted(shown, key=lambda pod: pod.manifest.key)]


def _pod(pod: Pod, registry: Registry) -> Json:
    manifest, sidecar = pod.manifest, pod.sidecar
    containers = [
        {
            "name": container.definition.name,
            "state": container.state,
            "reason": container.reason,
            "ready": container.ready,
            "restarts": container.restarts,
            "pid": container.pid,
        }
        for container in pod.every_container()
    ]
    return {
        "name": manifest.name,
        "namespace": manifest.namespace,
        "workload": manifest.workload,
        "labels": dict(manifest.labels),
        "serviceAccount": manifest.service_account,
        "ip": pod.place.addresses.pod,
        "ports": _ports(pod, registry),
        "egress": _joined(sidecar.proxy.egress) if sidecar is not None else None,
        "admin": _joined(sidecar.proxy.admin) if sidecar is not None else None,
        "ready": pod.ready,
        "readySince": pod.ready_since,
        "failure": pod.failure,
        "optional": manifest.optional,
        "gateway": manifest.gateway,
        "configVersion": sidecar.delivery.in_force.version if sidecar is not None else None,
        "phase": "Terminating" if pod.stopping else pod.phase,
        "restarts": sum(container.restarts for container in pod.every_container()),
        "containers": containers,
    }


def _joined(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def _ports(pod: Pod, registry: Registry) -> dict[str, str]:
    """Ports of the Services that pick the Pod, then its own ports that no Service has as a number."""
    endpoint = pod.endpoint
    found: dict[str, str] = {}
    for service in registry.services:
        if service.namespace == endpoint.namespace and any(
            other.pod == endpoint.pod for other in registry.endpoints_of(service)
        ):
            for port in service.ports:
                if (number := endpoint.target(port)) is not None:
                    found.setdefault(str(port.number), f"{endpoint.address}:{number}")
    for own in pod.manifest.ports:
        found.setdefault(str(own.number), f"{endpoint.address}:{own.number}")
    return found


def services(registry: Registry) -> list[Json]:
    return [
        {
            "name": service.name,
            "namespace": service.namespace,
            "hostname": service.hostname,
            "kind": service.declared[0],
            "resolution": service.resolution,
            "external": service.external,
            "addresses": list(service.addresses),
            "publicIp": service.public_ip,
            "ports": {
                str(port.number): {
                    "name": port.name,
                    "targetPort": port.target_port,
                    "protocol": port.protocol,
                }
                for port in service.ports
            },
            "endpoints": [
                {"pod": endpoint.pod, "ip": endpoint.address, "ready": endpoint.ready}
                for endpoint in registry.endpoints_of(service)
            ],
        }
        for service in registry.services
    ]


def routes(running: Iterable[Pod]) -> list[Json]:
    """Every HTTP route of every proxy, in the order in which a request tries them."""
    found = []
    for pod in _proxied(running):
        assert pod.sidecar is not None  # noqa: S101 - what _proxied gives
        for name, table in pod.sidecar.delivery.in_force.snapshot.routes.items():
            for host in table.get("virtual_hosts") or []:
                found += [
                    {**proxy(pod), "routes": name}
                    | {"virtualHost": host["name"], "domains": host["domains"]}
                    | _route(route)
                    for route in host.get("routes") or []
                ]
    return found


def proxy(pod: Pod) -> Json:
    """Whose part of a configuration a row is."""
    manifest = pod.manifest
    return {"pod": manifest.name, "namespace": manifest.namespace, "workload": manifest.workload}


def _route(route: Json) -> Json:
    action = route.get("route") or {}
    weighted = (action.get("weighted_clusters") or {}).get("clusters")
    if weighted:
        to: Any = [{"cluster": entry["name"], "weight": entry.get("weight", 0)} for entry in weighted]
    elif "cluster" in action:
        to = [{"cluster": action["cluster"], "weight": 100}]
    else:
        to = next(({key: route[key]} for key in ("redirect", "direct_response") if key in route), None)
    metadata = ((route.get("metadata") or {}).get("filter_metadata") or {}).get("istio") or {}
    return {
        "name": route.get("name") or "",
        "match": route["match"],
        "to": to,
        "timeout": action.get("timeout"),
        "config": metadata.get("config"),
    }


def clusters(running: Iterable[Pod]) -> list[Json]:
    """Every cluster of every proxy with the addresses behind it."""
    found = []
    for pod in _proxied(running):
        assert pod.sidecar is not None  # noqa: S101 - what _proxied gives
        snapshot = pod.sidecar.delivery.in_force.snapshot
        for name, cluster in snapshot.clusters.items():
            found.append(
                {
                    **proxy(pod),
                    "name": name,
                    "type": cluster.get("type", "STATIC"),
                    "endpoints": list(
                        _addresses(snapshot.endpoints.get(name) or cluster.get("load_assignment"))
                    ),
                    "mtls": tls.spoken(cluster) == "mutual TLS",
                }
            )
    return found


def _addresses(assignment: Json | None) -> Iterator[str]:
    for group in (assignment or {}).get("endpoints") or []:
        for entry in group.get("lb_endpoints") or []:
            address = entry["endpoint"]["address"]["socket_address"]
            yield f"{address['address']}:{address['port_value']}"


def policies(config: Config, running: Iterable[Pod]) -> list[Json]:
    """Security policies with where they were written and the Pods that each selects."""
    everywhere = list(running)
    found = []
    for kind in POLICIES:
        for policy in config.of(kind):
            labels = (policy.spec.get("selector") or {}).get("matchLabels") or {}
            picked = [
                pod.manifest.key
                for pod in everywhere
                if pod.sidecar is not None
                and policy.namespace in (ROOT_NAMESPACE, pod.manifest.namespace)
                and selects(labels, pod.manifest.labels)
            ]
            mtls = (policy.spec.get("mtls") or {}).get("mode")
            action = policy.spec.get("action") or "ALLOW" if kind == "AuthorizationPolicy" else mtls
            found.append(
                {
                    "kind": kind,
                    "name": policy.name,
                    "namespace": policy.namespace,
                    "action": action,
                    "source": f"{policy.source.file}:{policy.source.line}",
                    "pods": picked,
                }
            )
    return found


def override(one: Held) -> Json:
    return {
        "kind": one.kind,
        "namespace": one.namespace,
        "name": one.name,
        "what": one.what,
        "source": one.source or None,
    }


def _proxied(running: Iterable[Pod]) -> list[Pod]:
    return sorted((pod for pod in running if pod.sidecar is not None), key=lambda pod: pod.manifest.key)

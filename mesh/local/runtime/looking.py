"""What `mesh get` shows of the proxies themselves: listeners in force, endpoints, certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mesh.local.model import Json
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.views import proxy

_HTTP = "envoy.filters.network.http_connection_manager"
_UNHEALTHY = {
    "failed_active_health_check": "fails its health check",
    "failed_outlier_check": "ejected by outlier detection",
    "failed_degraded_health_check": "degraded",
    "degraded_outlier_detection": "degraded by outlier detection",
    "pending_dynamic_removal": "going",
    "pending_active_hc": "waits for its first health check",
    "excluded_via_immediate_hc_fail": "said itself that it is down",
    "active_hc_timeout": "its health check ran out of time",
}

Look = Callable[[Iterable[Pod], "str | None", Sequence[str]], Awaitable[list[Json]]]


def listeners(running: Iterable[Pod]) -> list[Json]:
    """Every listener of every proxy, with its filter chains in words (pure)."""
    found = []
    for pod in _proxied(running):
        assert pod.sidecar is not None  # noqa: S101 - what _proxied gives
        for name, listener in pod.sidecar.delivery.in_force.snapshot.listeners.items():
            chains = listener.get("filter_chains") or []
            http = any(one["name"] == _HTTP for chain in chains for one in chain.get("filters") or [])
            found.append(
                {
                    **proxy(pod),
                    "name": name,
                    "address": _address(listener.get("address") or {}),
                    "direction": str(listener.get("traffic_direction", "")).lower() or "gateway",
                    "protocol": "HTTP" if http else "TCP",
                    "chains": [_chain(chain) for chain in chains],
                    "accessLogs": _access_logs(listener),
                }
            )
    return found


def _chain(chain: Json) -> Json:
    """One filter chain: which connections it takes, and the filters they pass."""
    match = chain.get("filter_chain_match") or {}
    filters = [one["name"].rpartition(".")[2] for one in chain.get("filters") or []]
    for one in chain.get("filters") or []:
        inner = (one.get("typed_config") or {}).get("http_filters") or []
        filters += [part["name"].rpartition(".")[2] for part in inner]
    return {"takes": _takes(chain, match), "match": match, "filters": filters}


def _access_logs(listener: Json) -> list[Json]:
    """The files that its connections and requests are written to, each with the format."""
    holders = [listener]
    for chain in listener.get("filter_chains") or []:
        holders += [one.get("typed_config") or {} for one in chain.get("filters") or []]
    configs = (log["typed_config"] for holder in holders for log in holder.get("access_log") or [])
    found: list[Json] = []
    for config in configs:
        row = {"path": config.get("path"), "format": config.get("log_format") or {}}
        if row["path"] and row not in found:
            found.append(row)
    return found


def _takes(chain: Json, match: Json) -> str:
    names = ", ".join(match.get("server_names") or [])
    context = ((chain.get("transport_socket") or {}).get("typed_config") or {}).get(
        "common_tls_context"
    ) or {}
    mutual = ((chain.get("transport_socket") or {}).get("typed_config") or {}).get(
        "require_client_certificate"
    )
    if context:
        how = "mutual TLS" if mutual else "TLS"
        ours = (
            " of the mesh"
            if any("istio" in name for name in match.get("application_protocols") or [])
            else ""
        )
        return f"{how}{ours}{f' for {names}' if names else ''}"
    if match.get("transport_protocol") == "tls":
        return f"TLS passed through{f' for {names}' if names else ''}"
    return "plain text"


async def endpoints(running: Iterable[Pod], namespace: str | None, names: Sequence[str]) -> list[Json]:
    """Every endpoint that every proxy knows, with its health. Raises AdminUnreachable."""
    everywhere = list(running)
    by_address = {pod.place.addresses.pod: pod.manifest.key for pod in everywhere}
    pods = _asked(everywhere, namespace, names)
    told = await asyncio.gather(*(pod.sidecar.admin.endpoints() for pod in pods if pod.sidecar))
    return [
        {**proxy(pod), **row}
        for pod, statuses in zip(pods, told, strict=True)
        for status in sorted(statuses, key=lambda one: str(one["name"]))
        for row in endpoint_rows(status, by_address)
    ]


def endpoint_rows(status: Json, by_address: Mapping[str, str]) -> Iterator[Json]:
    """The endpoints of one of Envoy's cluster statuses (pure)."""
    for host in status.get("host_statuses") or []:
        address = _address(host.get("address") or {})
        counters = {stat["name"]: int(stat.get("value", 0)) for stat in host.get("stats") or []}
        health = host.get("health_status") or {}
        marks = [words for name, words in _UNHEALTHY.items() if health.get(name)]
        told = str(health.get("eds_health_status", "HEALTHY")).lower()
        yield {
            "cluster": status["name"],
            "address": address,
            "endpoint": by_address.get(address.rpartition(":")[0]),
            "health": ", ".join(marks) or told,
            "weight": host.get("weight"),
            "requests": counters.get("rq_total", 0),
            "errors": counters.get("rq_error", 0),
            "active": counters.get("rq_active", 0),
            "connections": counters.get("cx_active", 0),
            "connectFailures": counters.get("cx_connect_fail", 0),
            "successRate": (host.get("success_rate") or {}).get("value"),
        }


async def certificates(running: Iterable[Pod], namespace: str | None, names: Sequence[str]) -> list[Json]:
    """The certificates that every proxy shows, and those it trusts. Raises AdminUnreachable."""
    pods = _asked(running, namespace, names)
    told = await asyncio.gather(*(pod.sidecar.admin.certificates() for pod in pods if pod.sidecar))
    return [
        {**proxy(pod), **row}
        for pod, shown in zip(pods, told, strict=True)
        for row in certificate_rows(shown)
    ]


def certificate_rows(shown: Iterable[Json]) -> list[Json]:
    """Each certificate once, however many of Envoy's contexts hold it (pure)."""
    found: dict[tuple[str, str], Json] = {}
    for entry in shown:
        for kind, word in (("own", "cert_chain"), ("trusted", "ca_cert")):
            for one in entry.get(word) or []:
                names = [str(value) for name in one.get("subject_alt_names") or [] for value in name.values()]
                row = {
                    "kind": kind,
                    "names": names,
                    "serial": one["serial_number"],
                    "notBefore": one["valid_from"],
                    "notAfter": one["expiration_time"],
                }
                found.setdefault((kind, one["serial_number"]), row)
    return sorted(found.values(), key=lambda row: (row["kind"], row["names"]))


ASKED: Mapping[str, Look] = {"endpoints": endpoints, "certs": certificates}


def _address(address: Json) -> str:
    place: dict[str, Any] = address.get("socket_address") or {}
    if not place:
        return str((address.get("pipe") or {}).get("path", ""))
    return f"{place.get('address', '')}:{place.get('port_value', '')}"


def _proxied(running: Iterable[Pod]) -> list[Pod]:
    return sorted((pod for pod in running if pod.sidecar is not None), key=lambda pod: pod.manifest.key)


def _asked(running: Iterable[Pod], namespace: str | None, names: Sequence[str]) -> list[Pod]:
    """The proxies that answer now, of those meant by the name of their pod or workload."""
    return [
        pod
        for pod in _proxied(running)
        if pod.sidecar is not None
        and pod.sidecar.delivery.live.is_set()
        and namespace in (None, pod.manifest.namespace)
        and (not names or {pod.manifest.name, pod.manifest.workload} & set(names))
    ]

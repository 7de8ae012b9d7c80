"""The destinations of a route: their pods, the connection to them, and what their sidecars would say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mesh.local.envoy.destination_rule import blocks, rule_for, turns_mutual_tls_off
from mesh.local.envoy.endpoints import serving, takes_mtls
from mesh.local.envoy.inbound_ports import inbound_port
from mesh.local.envoy.peer_authentication import Mode, decided, namespace_mode
from mesh.local.envoy.view import View, selects
from mesh.local.envoy.virtual_host import kept_to
from mesh.local.explain import policies
from mesh.local.explain.answer import Place, Target, Verdict
from mesh.local.explain.request import Request, normalised
from mesh.local.inside import is_inside
from mesh.local.model import ContainerPort, Endpoint, Json, Proxy, Service, ServicePort

INSIDE = "the address is inside of a pod: nothing leads there past its sidecar"


def weighted(action: Json) -> list[tuple[str, float]]:
    """The clusters of a RouteAction with their shares in percent."""
    if "cluster" in action:
        return [(action["cluster"], 100.0)]
    parts = action["weighted_clusters"]["clusters"]
    total = sum(part["weight"] for part in parts)
    return [(part["name"], 100 * part["weight"] / total) for part in parts]


def targets(view: View, action: Json, request: Request, asked: Request) -> Iterator[Target]:
    """Those of a `request` as they get it; where it names its address itself, it does as it was `asked`."""
    only = kept_to(action)
    for cluster, percent in weighted(action):
        kind, port, subset, host = cluster.split("|") if cluster.count("|") == 3 else ("", "0", "", cluster)
        yield (
            _target(view, cluster, host, int(port), subset, percent, request, asked, only)
            if kind
            else Target(cluster, host, 0, "", percent, (), False, None, None, None)
        )


def _target(
    view: View,
    cluster: str,
    host: str,
    number: int,
    subset: str,
    percent: float,
    request: Request,
    asked: Request,
    only: str | None,
) -> Target:
    """`only`: the one pod that a request for `POD.SERVICE` is kept to."""
    service = view.service(host)
    port = service.port(number) if service else None
    rule = rule_for(view, host)
    missing = subset and subset not in rule.subsets
    if service is None or port is None or missing:
        what = "subset" if service and port else "port" if service else "service"
        verdict = Verdict(False, 503, f"no such {what}: the cluster does not exist (NC)")
        return Target(cluster, host, number, subset, percent, (), False, None, None, verdict)
    labels = (rule.subsets.get(subset) or {}).get("labels") or {}
    where = policies.place(rule.resources[0], "spec") if rule.resources else None
    pods = [
        endpoint
        for endpoint, _ in serving(view, service, port, labels)
        if only is None or endpoint.pod == only
    ]
    if service.resolution == "NONE":
        verdict = Verdict(True, 200, "sent to the address that the request names")
        if is_inside(asked.host, asked.service_port):
            verdict = Verdict(False, 403, INSIDE)
        return Target(cluster, host, number, subset, percent, (), False, None, where, verdict)
    if not pods:
        verdict = Verdict(False, 503, "no pod is ready (UH)")
        return Target(cluster, host, number, subset, percent, (), False, None, where, verdict)
    names = tuple(endpoint.address if endpoint.written else endpoint.pod for endpoint in pods)
    if (closed := _closed(view, pods[0], port)) is not None:
        return Target(cluster, host, number, subset, percent, names, False, None, where, closed)
    tls = blocks(rule, number, subset).get("tls") or {}
    plain = turns_mutual_tls_off(rule, number, subset)
    secured = not plain and _secured(view, service, port, pods[0], tls)
    mode, decider = _mode(view, pods[0], pods[0].target(port) or 0)
    verdict = _verdict(view, pods[0], port, request, mode, secured=secured, tls=tls)
    return Target(cluster, host, number, subset, percent, names, secured, mode, where, verdict, decider)


def _closed(view: View, endpoint: Endpoint, port: ServicePort) -> Verdict | None:
    """The verdict where nobody listens: a sidecar takes the ports that containers declare, and no other."""
    number = endpoint.target(port)
    if _is_gateway(view, endpoint) or endpoint.written or not endpoint.sidecar:
        return None
    if inbound_port(replace(view, proxy=_proxy(endpoint)), number or 0) is not None:
        return None
    return Verdict(False, 503, f"no container of the pod declares port {number}: nobody listens there (UF)")


def _is_gateway(view: View, endpoint: Endpoint) -> bool:
    selectors = (resource.spec.get("selector") or {} for resource in view.config.of("Gateway"))
    return any(selects(selector, endpoint.labels) for selector in selectors)


def _secured(view: View, service: Service, port: ServicePort, endpoint: Endpoint, tls: Json) -> bool:
    """Whether the client's sidecar uses the mesh's mutual TLS towards a pod."""
    if tls:
        return bool(tls.get("mode") == "ISTIO_MUTUAL")
    if service.external or not view.mesh.auto_mtls:
        return False
    if namespace_mode(view.config, service.namespace) == "DISABLE":
        return False
    return takes_mtls(view, endpoint, endpoint.target(port) or 0)


def _mode(view: View, endpoint: Endpoint, number: int) -> tuple[Mode | None, Place | None]:
    """What the pod demands of its callers, and who says so."""
    if not endpoint.sidecar or endpoint.written:
        return None, None
    mode, resource, path = decided(view.config, endpoint.namespace, endpoint.labels, number)
    return mode, policies.place(resource, *path) if resource else None


def _verdict(
    view: View,
    endpoint: Endpoint,
    port: ServicePort,
    request: Request,
    mode: Mode | None,
    *,
    secured: bool,
    tls: Json,
) -> Verdict:
    if endpoint.written:
        return Verdict(True, 200, "an endpoint that is no pod of this mesh: what it says is not known here")
    if mode is None and _is_gateway(view, endpoint):
        return Verdict(True, 200, "a gateway: what its own servers and rules say comes next")
    if mode is None and secured:
        return Verdict(False, 503, "the pod has no sidecar to speak TLS with (UF)")
    if mode is None:
        return Verdict(True, 200, "the pod has no sidecar: nothing is checked")
    if mode == "STRICT" and not secured:
        how = f"the DestinationRule's tls mode {tls['mode']}" if tls else "plain text"
        return Verdict(False, 503, f"the pod demands mutual TLS; {how} is refused (UC)")
    if mode == "DISABLE" and secured:
        return Verdict(False, 503, "the pod takes plain text only; mutual TLS is not understood (UC)")
    return _judged(view, endpoint, port, request, secured=secured)


def _judged(view: View, endpoint: Endpoint, port: ServicePort, request: Request, *, secured: bool) -> Verdict:
    number = endpoint.target(port) or 0
    there = replace(view, proxy=_proxy(endpoint))
    here = inbound_port(there, number)
    http = here is not None and here.protocol != "tcp"
    arrived = replace(
        normalised(request, view.mesh),
        principal=f"spiffe://{view.proxy.principal}" if secured else None,
        source_ip=view.proxy.ip,
        destination_ip=endpoint.address,
        port=number,
        claims=policies.accepted(there, request.token) if http else None,
    )
    refused = policies.authentication(there, request.token) if http else None
    return refused or policies.authorization(there, arrived, http=http)


def _proxy(endpoint: Endpoint) -> Proxy:
    """The sidecar of a pod, as far as policies need to know it."""
    return Proxy(
        kind="sidecar",
        name=endpoint.pod,
        namespace=endpoint.namespace,
        labels=endpoint.labels,
        service_account=endpoint.service_account,
        workload="",
        ip=endpoint.address,
        app_ip=endpoint.address,
        ports=tuple(ContainerPort(name, number) for name, number in endpoint.ports.items()),
        egress=(endpoint.address, 0),
        admin=(endpoint.address, 0),
        folder=Path(),
    )

"""Two fences say the same: NetworkPolicies between pods, AuthorizationPolicies between accounts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

import yaml

from delinkcious.chart import ROOT
from tests.chart.manifests import LOADER, Json, Pod, Rendered, matches, namespace, where
from tests.chart.verdict import Verdicts

# Some pod's, as clusters give them; no rule for the public's addresses may have it.
A_POD = ip_address("10.244.0.1")
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
METRICS = "http-metrics"
# Where an address of a store is told to a program, and the store's port. A migration has all of its service's
# addresses and asks the database only.
STORES = {"DATABASE_URL_FILE": 5432, "NATS_URL_FILE": 4222, "REDIS_URL_FILE": 6379}
ISTIOD = Pod(
    "Deployment", "istiod", "istio-system", {}, {"app": "istiod", "istio": "pilot"}, {}, {"containers": []}
)


def every_namespace_of_ours_denies_by_default(chart: Rendered) -> Verdicts:
    if fenced(chart) and chart.values["networkPolicies"]["defaultDeny"]:
        whole = [each["spec"] for each in chart.of("NetworkPolicy") if namespace(each) == "delinkcious"]
        everyone = [each for each in whole if not each["podSelector"]]
        for way in ("Ingress", "Egress"):
            closed = any(way in each["policyTypes"] and not each.get(way.lower()) for each in everyone)
            yield f"Namespace delinkcious {way}", "" if closed else "who is not named may"


def every_call_that_the_mesh_allows_passes_the_network_policies(chart: Rendered) -> Verdicts:
    for caller, callee, port in _calls(chart):
        if names(caller, callee, port):
            yield _said(caller, callee, port), "" if passes(chart, caller, callee, port) else "it is cut off"


def every_call_that_the_network_policies_pass_is_allowed_by_the_mesh(chart: Rendered) -> Verdicts:
    for caller, callee, port in _calls(chart):
        if callee.port_names().get(METRICS) != port and passes(chart, caller, callee, port):
            fine = allows(caller, callee, port)
            yield _said(caller, callee, port), "" if fine else "no AuthorizationPolicy allows it"


def istiod_reaches_the_public_keys(chart: Rendered) -> Verdicts:
    if fenced(chart):
        for pod in chart.pods:
            for name, port in pod.port_names().items():
                if name == "http-jwks":
                    fine = passes(chart, ISTIOD, pod, port)
                    yield _said(ISTIOD, pod, port), "" if fine else "no token could be judged"


def nobody_but_prometheus_reads_metrics(chart: Rendered) -> Verdicts:
    """Sidecars let that port pass, so the network sees to it, once it is said whose Prometheus reads."""
    ours = chart.values["prometheus"]["enabled"] and not chart.values["networkPolicies"]["scrapers"]
    for caller, callee, port in _calls(chart):
        if ours and callee.port_names().get(METRICS) == port:
            yield _said(caller, callee, port), "it may" if passes(chart, caller, callee, port) else ""
    if fenced(chart) and ours:
        readers = [pod for pod in chart.pods if pod.labels.get("app") == "prometheus"]
        for reader in readers:
            for pod in mesh_pods(chart):
                if METRICS in pod.port_names():
                    number = pod.port_names()[METRICS]
                    fine = passes(chart, reader, pod, number)
                    yield _said(reader, pod, number), "" if fine else "it may not"


def who_has_the_address_of_a_store_reaches_it_and_nobody_else_does(chart: Rendered) -> Verdicts:
    if not fenced(chart) or not chart.values["networkPolicies"]["defaultDeny"]:
        return
    for pod in chart.pods:
        if pod.namespace != "delinkcious" or pod.labels.get("app", "").removesuffix(
            "-migrate"
        ) not in _services(chart):
            continue
        given = {each["name"] for container in pod.containers for each in container.get("env") or []}
        for variable, port in STORES.items():
            known = variable in given and (port == 5432 or pod.kind == "Deployment")
            reached = _judged(chart, "Egress", pod, _store(chart, port), _store(chart, port), port)
            complaint = (
                "it may not"
                if known and not reached
                else "it may and has no address" * (reached and not known)
            )
            yield f"{pod.where} to port {port}", complaint


def what_is_let_out_to_the_public_reaches_nothing_private(chart: Rendered) -> Verdicts:
    for policy in chart.of("NetworkPolicy"):
        for rule in policy["spec"].get("egress") or []:
            # Whoever may reach every pod is not kept from private addresses.
            to = rule.get("to") or []
            for peer in to if {"namespaceSelector": {}} not in to else []:
                block = peer.get("ipBlock") or {}
                if block.get("cidr") == "0.0.0.0/0":
                    left = [each for each in PRIVATE if not _excepted(each, block.get("except") or [])]
                    yield where(policy), f"{', '.join(left)} is not excepted" if left else ""


def mesh_pods(chart: Rendered) -> list[Pod]:
    """Servers with a sidecar, in the application's namespace."""
    return [pod for pod in chart.pods if pod.serves and pod.namespace == "delinkcious" and _injected(pod)]


def fenced(chart: Rendered) -> bool:
    return bool(chart.values["networkPolicies"]["enabled"])


def passes(chart: Rendered, caller: Pod, callee: Pod, port: int) -> bool:
    """Whether NetworkPolicies let one pod connect to a port of another."""
    out = _judged(chart, "Egress", caller, callee, callee, port)
    return out and _judged(chart, "Ingress", callee, caller, callee, port)


def names(caller: Pod, callee: Pod, port: int) -> bool:
    """Whether a policy of that very workload allows it; one of all workloads only adds paths to a call."""
    return allows(caller, callee, port, of_all=False)


def allows(caller: Pod, callee: Pod, port: int, of_all: bool = True) -> bool:
    """Whether the mesh's policies let an account send some request there."""
    account = caller.spec.get("serviceAccountName", "default")
    principal = f"cluster.local/ns/{caller.namespace}/sa/{account}"
    return any(
        _takes(rule, principal, port)
        for policy in _authorization()
        if policy["metadata"]["namespace"] == callee.namespace
        and policy["spec"].get("action", "ALLOW") == "ALLOW"
        and matches(policy["spec"].get("selector") or {}, callee.labels)
        and (of_all or "selector" in policy["spec"])
        for rule in policy["spec"].get("rules") or []
    )


def _calls(chart: Rendered) -> Iterator[tuple[Pod, Pod, int]]:
    """Every call that there could be between two workloads of the mesh."""
    if fenced(chart):
        edge = [pod for pod in chart.pods if pod.labels.get("istio") == "ingressgateway"]
        for callee in mesh_pods(chart):
            for caller in [*mesh_pods(chart), *edge]:
                if caller.labels.get("app") != callee.labels.get("app"):
                    for port in sorted(callee.ports()):
                        yield caller, callee, port


def _services(chart: Rendered) -> Json:
    found: Json = chart.values["services"]
    return found


def _store(chart: Rendered, port: int) -> Pod:
    """The chart's own, or one that somebody else has somewhere."""
    elsewhere = Pod("StatefulSet", f"port {port}", "stores", {}, {}, {}, {"containers": []})
    kinds = ("StatefulSet", "Cluster")
    return next((pod for pod in chart.endpoints if port in pod.ports() and pod.kind in kinds), elsewhere)


def _judged(chart: Rendered, way: str, pod: Pod, other: Pod, callee: Pod, port: int) -> bool:
    """By the policies of one side; none for it means that it is open."""
    policies = [
        each
        for each in chart.of("NetworkPolicy")
        if namespace(each) == pod.namespace
        and way in each["spec"]["policyTypes"]
        and matches(each["spec"]["podSelector"], pod.labels)
    ]
    peers = {"Egress": "to", "Ingress": "from"}[way]
    return not policies or any(
        _port_is_named(rule, callee, port) and _peer_is_named(chart, policy, rule.get(peers), other)
        for policy in policies
        for rule in policy["spec"].get(way.lower()) or []
    )


def _port_is_named(rule: Json, callee: Pod, port: int) -> bool:
    for each in rule.get("ports") or [{}]:
        first = each.get("port", port)
        number = callee.port_names().get(first) if isinstance(first, str) else first
        if (
            each.get("protocol", "TCP") == "TCP"
            and number is not None
            and number <= port <= each.get("endPort", number)
        ):
            return True
    return False


def _peer_is_named(chart: Rendered, policy: Json, peers: Any, other: Pod) -> bool:
    return not peers or any(_is_peer(chart, policy, peer, other) for peer in peers)


def _is_peer(chart: Rendered, policy: Json, peer: Json, other: Pod) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        inside = A_POD in ip_network(block["cidr"])
        return inside and not any(A_POD in ip_network(each) for each in block.get("except") or [])
    if "namespaceSelector" in peer:
        found = chart.find("Namespace", "", other.namespace) or {"metadata": {}}
        labels = {"kubernetes.io/metadata.name": other.namespace, **(found["metadata"].get("labels") or {})}
        here = matches(peer["namespaceSelector"], labels)
    else:
        here = other.namespace == namespace(policy)
    return here and matches(peer.get("podSelector") or {}, other.labels)


def _takes(rule: Json, principal: str, port: int) -> bool:
    callers = [each["source"].get("principals") for each in rule.get("from") or []]
    ports = [each["operation"].get("ports") for each in rule.get("to") or []]
    from_here = not callers or any(each is None or principal in each for each in callers)
    return from_here and (not ports or any(each is None or str(port) in each for each in ports))


@cache
def _authorization() -> list[Json]:
    texts = [file.read_text() for file in sorted((ROOT / "mesh" / "istio").glob("*.yaml"))]
    found = [each for text in texts for each in yaml.load_all(text, LOADER) if each]
    return [each for each in found if each["kind"] == "AuthorizationPolicy"]


def _injected(pod: Pod) -> bool:
    return bool(
        pod.annotations.get("sidecar.istio.io/inject", pod.labels.get("sidecar.istio.io/inject")) != "false"
    )


def _excepted(network: str, excepted: list[str]) -> bool:
    return any(ip_network(network).subnet_of(ip_network(each)) for each in excepted)  # type: ignore[arg-type]


def _said(caller: Pod, callee: Pod, port: int) -> str:
    return f"{caller.namespace}/{caller.name} to {callee.name}:{port}"


RULES = (
    every_namespace_of_ours_denies_by_default,
    every_call_that_the_mesh_allows_passes_the_network_policies,
    every_call_that_the_network_policies_pass_is_allowed_by_the_mesh,
    istiod_reaches_the_public_keys,
    nobody_but_prometheus_reads_metrics,
    who_has_the_address_of_a_store_reaches_it_and_nobody_else_does,
    what_is_let_out_to_the_public_reaches_nothing_private,
)

"""Whoever chooses by labels, names or ports finds something."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chart.manifests import Json, Pod, Rendered, matches, namespace, where
from tests.chart.verdict import Verdicts

# Pods that are not the chart's, as their makers label them: names, Istio, an operator's databases; and what
# the chart leaves out where one with the same labels is there already.
FOREIGN = (
    {"app": "prometheus"},
    {"app": "jaeger"},
    {"k8s-app": "kube-dns"},
    {"app": "istiod"},
    {"istio": "pilot"},
    {"istio": "ingressgateway"},
    {"app.kubernetes.io/name": "prometheus"},
    {"app.kubernetes.io/name": "cloudnative-pg"},
)
OPERATED = "cnpg.io/cluster"
# Of the container that Istio puts beside each: metrics merged, health, its own metrics.
OF_SIDECARS = (15020, 15021, 15090)


def pods_in(chart: Rendered, space: str) -> list[Pod]:
    return [pod for pod in chart.endpoints if pod.namespace == space]


def every_service_has_pods(chart: Rendered) -> Verdicts:
    for service, pods in _served(chart):
        yield where(service), "" if pods else f"no pod has {service['spec']['selector']}"


def every_target_port_is_there(chart: Rendered) -> Verdicts:
    for service, pods in _served(chart):
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            lacking = [
                pod.name for pod in pods if target not in pod.port_names() and target not in pod.ports()
            ]
            yield f"{where(service)} {target}", f"{', '.join(lacking)} has no such port" if lacking else ""


def every_owner_of_pods_selects_its_own_and_no_other(chart: Rendered) -> Verdicts:
    owners = [pod for pod in chart.pods if pod.serves]
    for pod in owners:
        selector = pod.owner["spec"]["selector"]
        yield pod.where, "" if pod.matches(selector) else "its pods are not those it selects"
        others = [
            other.name
            for other in pods_in(chart, pod.namespace)
            if (other.kind, other.name) != (pod.kind, pod.name) and other.matches(selector)
        ]
        yield pod.where, f"it selects the pods of {', '.join(others)} too" if others else ""


def every_disruption_budget_has_pods(chart: Rendered) -> Verdicts:
    for budget in chart.of("PodDisruptionBudget"):
        yield where(budget), _nobody(chart, budget, budget["spec"]["selector"])


def every_network_policy_has_pods(chart: Rendered) -> Verdicts:
    for policy in chart.of("NetworkPolicy"):
        yield where(policy), _nobody(chart, policy, policy["spec"].get("podSelector") or {})


def every_peer_of_a_network_policy_is_somebody(chart: Rendered) -> Verdicts:
    for policy in chart.of("NetworkPolicy"):
        for peer in peers(policy):
            if "podSelector" not in peer or not peer["podSelector"]:
                continue
            anywhere = "namespaceSelector" in peer
            candidates = chart.endpoints if anywhere else pods_in(chart, namespace(policy))
            selector = peer["podSelector"]
            found = any(pod.matches(selector) for pod in candidates) or is_foreign(selector)
            yield where(policy), "" if found else f"no pod has {selector}"


def every_port_of_a_network_policy_is_there(chart: Rendered) -> Verdicts:
    """Of those who are reached, by whom they are named."""
    for policy in chart.of("NetworkPolicy"):
        chosen = [
            pod for pod in pods_in(chart, namespace(policy)) if pod.matches(policy["spec"]["podSelector"])
        ]
        for rule in policy["spec"].get("ingress") or []:
            for port in rule.get("ports") or []:
                asked = port.get("port")
                known = asked is None or asked in OF_SIDECARS
                known = known or any(asked in pod.port_names() or asked in pod.ports() for pod in chosen)
                yield f"{where(policy)} {asked}", "" if known else "none of its pods has it"


def every_autoscaler_has_something_to_scale(chart: Rendered) -> Verdicts:
    for scaler in chart.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        found = chart.has(target.get("kind", "Deployment"), namespace(scaler), target["name"])
        yield where(scaler), "" if found else f"there is no {target['name']}"


def every_monitor_has_something_to_scrape(chart: Rendered) -> Verdicts:
    for monitor in chart.of("ServiceMonitor", "PodMonitor"):
        spaces = (monitor["spec"].get("namespaceSelector") or {}).get("matchNames") or [namespace(monitor)]
        selector = monitor["spec"]["selector"]
        if monitor["kind"] == "ServiceMonitor":
            services = [each for each in chart.of("Service") if namespace(each) in spaces]
            chosen = [each for each in services if matches(selector, each["metadata"].get("labels") or {})]
            names = [{port.get("name") for port in each["spec"]["ports"]} for each in chosen]
            ends = monitor["spec"]["endpoints"]
        else:
            pods = [pod for space in spaces for pod in pods_in(chart, space) if pod.matches(selector)]
            names = [set(pod.port_names()) for pod in pods]
            ends = monitor["spec"]["podMetricsEndpoints"]
        yield where(monitor), "" if names else f"nothing has {selector}"
        for end in ends:
            # Istio's own container comes later, with its port.
            known = (
                "port" not in end
                or end["port"] == "http-envoy-prom"
                or any(end["port"] in each for each in names)
            )
            yield where(monitor), "" if known else f"no port {end['port']}"


def is_foreign(selector: Json) -> bool:
    labels = selector.get("matchLabels") or {}
    keys = labels.keys() | {each["key"] for each in selector.get("matchExpressions") or []}
    return OPERATED in keys or any(each.items() <= labels.items() for each in FOREIGN)


def peers(policy: Json) -> Iterator[Json]:
    for rule in policy["spec"].get("ingress") or []:
        yield from rule.get("from") or []
    for rule in policy["spec"].get("egress") or []:
        yield from rule.get("to") or []


def _served(chart: Rendered) -> Iterator[tuple[Json, list[Pod]]]:
    for service in chart.of("Service"):
        if selector := service["spec"].get("selector"):
            chosen = [
                pod for pod in pods_in(chart, namespace(service)) if pod.matches({"matchLabels": selector})
            ]
            if chosen or not is_foreign({"matchLabels": selector}):
                yield service, chosen


def _nobody(chart: Rendered, manifest: Json, selector: Json) -> str:
    found = any(pod.matches(selector) for pod in pods_in(chart, namespace(manifest))) or is_foreign(selector)
    return "" if found else f"no pod has {selector}"


RULES = (
    every_service_has_pods,
    every_target_port_is_there,
    every_owner_of_pods_selects_its_own_and_no_other,
    every_disruption_budget_has_pods,
    every_network_policy_has_pods,
    every_peer_of_a_network_policy_is_somebody,
    every_port_of_a_network_policy_is_there,
    every_autoscaler_has_something_to_scale,
    every_monitor_has_something_to_scrape,
)

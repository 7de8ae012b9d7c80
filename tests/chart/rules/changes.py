"""Installs, upgrades, rolling updates, emptied nodes: in an order that can end, and never the last pod."""

from __future__ import annotations

import re

import yaml

from tests.chart.manifests import HOOK, Json, Pod, Rendered, annotation, namespace, where
from tests.chart.rules.references import references
from tests.chart.rules.selectors import pods_in
from tests.chart.verdict import Verdicts

WEIGHT, DELETE = "helm.sh/hook-weight", "helm.sh/hook-delete-policy"
EVENTS = {
    f"{when}-{what}" for when in ("pre", "post") for what in ("install", "upgrade", "rollback", "delete")
}
EVENTS.add("test")
PROXY_CONFIG = "proxy.istio.io/config"


def every_hook_belongs_to_an_event_and_says_when_it_goes(chart: Rendered) -> Verdicts:
    for manifest in _hooks(chart):
        unknown = sorted(_events(manifest) - EVENTS)
        yield where(manifest), f"no event {', '.join(unknown)}" if unknown else ""
        # Else a second one of the same name is refused.
        fine = "before-hook-creation" in annotation(manifest, DELETE)
        yield where(manifest), "" if fine else "the next one would find this one there"


def a_hook_needs_nothing_that_comes_after_it(chart: Rendered) -> Verdicts:
    """Before an install there is nothing but earlier hooks, and what somebody else has brought."""
    for pod in chart.pods:
        events = _events(pod.owner)
        if not any(each.startswith("pre-") for each in events):
            continue
        named = [(kind, name) for kind, name, optional in references(pod) if not optional]
        named.append(("ServiceAccount", pod.spec.get("serviceAccountName", "default")))
        for kind, name in named:
            found = chart.find(kind, pod.namespace, name)
            late = found is not None and not (
                events <= _events(found) and _weight(found) < _weight(pod.owner)
            )
            yield f"{pod.where} {kind} {name}", "it comes later" if late else ""


def migrations_before_and_after_stand_in_their_order(chart: Rendered) -> Verdicts:
    """The first, where the stores come with the release, is no hook: it waits for them."""
    jobs = {pod.name: pod for pod in chart.pods if "-migrate-" in pod.name}
    for name, pod in jobs.items():
        service, _, last = name.rpartition("-")
        phase = "pre" if last == "first" else last
        wanted = set() if last == "first" else {f"{phase}-install", f"{phase}-upgrade"}
        yield (
            pod.where,
            "" if _events(pod.owner) == wanted else f"it runs {', '.join(sorted(_events(pod.owner)))}",
        )
        command = pod.spec["containers"][0]["command"]
        yield pod.where, "" if command[-1] == phase else f"it migrates {command[-1]}"
        yield pod.where, "" if f"{service}-post" in jobs else "there is no other half"


def a_job_ends(chart: Rendered) -> Verdicts:
    for pod in chart.pods:
        if pod.kind in ("Job", "CronJob"):
            spec = pod.owner["spec"] if pod.kind == "Job" else pod.owner["spec"]["jobTemplate"]["spec"]
            fine = spec.get("activeDeadlineSeconds") and pod.spec.get("restartPolicy") in (
                "Never",
                "OnFailure",
            )
            yield pod.where, "" if fine else "it may run for ever"
            yield pod.where, "" if "backoffLimit" in spec else "it has no bound of attempts"


def a_pod_stops_before_its_grace_period_ends(chart: Rendered) -> Verdicts:
    """First nobody is to find it any more, then what runs is to end, and the sidecar with it."""
    for pod in chart.pods:
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        for container in pod.containers:
            given = {each["name"]: each.get("value") for each in container.get("env") or []}
            if "DRAIN_DELAY_S" in given:
                takes = float(given["DRAIN_DELAY_S"]) + float(given["DRAIN_TIMEOUT_S"])
                yield pod.where, "" if 0 < takes < grace else f"{takes:g} s of {grace} s"
        if PROXY_CONFIG in pod.annotations:
            proxy = yaml.safe_load(pod.annotations[PROXY_CONFIG])["proxyMetadata"]
            first = float(proxy.get("MINIMUM_DRAIN_DURATION", "5s").removesuffix("s"))
            yield pod.where, "" if first < grace else f"its proxy waits {first:g} s of {grace} s"
            waits = proxy.get("EXIT_ON_ZERO_ACTIVE_CONNECTIONS") == "true"
            yield pod.where, "" if waits else "its proxy cuts requests off"


def every_server_of_people_drains(chart: Rendered) -> Verdicts:
    for pod in _services(chart):
        given = {each["name"] for container in pod.containers for each in container.get("env") or []}
        yield pod.where, "" if {"DRAIN_DELAY_S", "DRAIN_TIMEOUT_S"} <= given else "nobody tells it how long"


def who_is_scaled_by_load_has_no_number_of_pods(chart: Rendered) -> Verdicts:
    """Else every upgrade would set it back."""
    for scaler in chart.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        found = chart.find(target["kind"], namespace(scaler), target["name"]) or {}
        fixed = "replicas" in found.get("spec", {})
        yield where(scaler), f"{target['name']} has its replicas written" if fixed else ""
        least, most = scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"]
        yield where(scaler), "" if 1 <= least <= most else f"between {least} and {most}"


def a_rolling_update_never_takes_a_pod_before_another_is_ready(chart: Rendered) -> Verdicts:
    for pod in _services(chart):
        rolling = (pod.owner["spec"].get("strategy") or {}).get("rollingUpdate") or {}
        fine = rolling.get("maxUnavailable") == 0 and rolling.get("maxSurge") not in (None, 0)
        yield pod.where, "" if fine else f"rollingUpdate {rolling}"


def a_disruption_budget_lets_a_node_be_emptied_and_not_all_pods_at_once(chart: Rendered) -> Verdicts:
    for budget in chart.of("PodDisruptionBudget"):
        spec = budget["spec"]
        chosen = [pod for pod in pods_in(chart, namespace(budget)) if pod.matches(spec["selector"])]
        pods = sum(pod.owner["spec"].get("replicas", 2) for pod in chosen)
        blocks = spec.get("maxUnavailable") in (0, "0%") or (
            isinstance(spec.get("minAvailable"), int) and spec["minAvailable"] >= max(pods, 1)
        )
        yield where(budget), "no node could be emptied" if blocks else ""
        every = str(spec.get("maxUnavailable")) == "100%" or spec.get("minAvailable") in (0, "0%")
        yield where(budget), "all may go at once" if every else ""


def a_volume_of_one_node_has_one_pod_at_a_time(chart: Rendered) -> Verdicts:
    for pod in chart.pods:
        if pod.kind == "Deployment" and any(
            kind == "PersistentVolumeClaim" for kind, _, _ in references(pod)
        ):
            spec = pod.owner["spec"]
            fine = spec.get("replicas") == 1 and (spec.get("strategy") or {}).get("type") == "Recreate"
            yield pod.where, "" if fine else "two pods would wait for one volume"


def _services(chart: Rendered) -> list[Pod]:
    """Of the application itself."""
    names = chart.values["services"]
    return [
        pod for pod in chart.pods if pod.kind == "Deployment" and re.sub(r"-v\d+$", "", pod.name) in names
    ]


def _hooks(chart: Rendered) -> list[Json]:
    return [each for each in chart.manifests if annotation(each, HOOK)]


def _events(manifest: Json) -> set[str]:
    return {each.strip() for each in annotation(manifest, HOOK).split(",") if each}


def _weight(manifest: Json) -> int:
    return int(annotation(manifest, WEIGHT) or 0)


RULES = (
    every_hook_belongs_to_an_event_and_says_when_it_goes,
    a_hook_needs_nothing_that_comes_after_it,
    migrations_before_and_after_stand_in_their_order,
    a_job_ends,
    a_pod_stops_before_its_grace_period_ends,
    every_server_of_people_drains,
    who_is_scaled_by_load_has_no_number_of_pods,
    a_rolling_update_never_takes_a_pod_before_another_is_ready,
    a_disruption_budget_lets_a_node_be_emptied_and_not_all_pods_at_once,
    a_volume_of_one_node_has_one_pod_at_a_time,
)

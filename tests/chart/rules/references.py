"""Whatever is named exists, once, where it is looked for, and says whose it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.chart.manifests import Json, Pod, Rendered, namespace, where
from tests.chart.verdict import Verdicts

CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PriorityClass"}
LABELS = ("app.kubernetes.io/part-of", "app.kubernetes.io/managed-by")
# What Kubernetes or an operator puts there.
MADE_BY_OTHERS = {("ConfigMap", "kube-root-ca.crt"), ("ConfigMap", "istio-ca-root-cert")}
# Priorities that every cluster has.
PRIORITIES = {"system-cluster-critical", "system-node-critical"}


def every_account_of_a_pod_is_there(chart: Rendered) -> Verdicts:
    for pod in chart.pods:
        name = pod.spec.get("serviceAccountName", "default")
        fine = name == "default" or chart.has("ServiceAccount", pod.namespace, name)
        yield pod.where, "" if fine else f"there is no ServiceAccount {name}"


def every_config_map_secret_and_claim_is_there_or_somebody_is_told_to_bring_it(chart: Rendered) -> Verdicts:
    """By the values, or by the chart's own page."""
    spoken_of = {*_words(chart.values), *re.findall(r"`([a-z0-9.-]+)`", chart.readme)}
    for pod in chart.pods:
        for kind, name, optional in references(pod):
            known = chart.has(kind, pod.namespace, name) or (kind, name) in MADE_BY_OTHERS
            known = known or (kind == "PersistentVolumeClaim" and name in _claims(pod))
            fine = known or optional or name in spoken_of
            yield f"{pod.where} {kind} {name}", "" if fine else "is nowhere"


def every_key_of_a_config_map_is_in_it(chart: Rendered) -> Verdicts:
    for pod in chart.pods:
        for kind, name, key in _keys(pod):
            found = chart.find(kind, pod.namespace, name)
            if found is not None:
                held = {
                    *(found.get("data") or {}),
                    *(found.get("stringData") or {}),
                    *(found.get("binaryData") or {}),
                }
                yield f"{pod.where} {kind} {name}", "" if key in held else f"it has no key {key}"


def every_mount_has_its_volume_and_every_volume_is_mounted(chart: Rendered) -> Verdicts:
    for pod in chart.pods:
        volumes = {each["name"] for each in pod.spec.get("volumes") or []}
        if pod.kind == "StatefulSet":
            volumes |= _claim_templates(pod)
        mounted = {mount["name"] for each in pod.containers for mount in each.get("volumeMounts") or []}
        wrong = sorted(volumes ^ mounted)
        yield pod.where, f"{', '.join(wrong)} is no volume, or one without use" if wrong else ""


def every_object_is_there_once(chart: Rendered) -> Verdicts:
    count = Counter((each["kind"], namespace(each), each["metadata"]["name"]) for each in chart.manifests)
    for (kind, space, name), times in count.items():
        yield f"{kind} {space}/{name}", "" if times == 1 else f"it is rendered {times} times"


def every_object_says_its_namespace(chart: Rendered) -> Verdicts:
    for manifest in chart.manifests:
        wide = manifest["kind"] in CLUSTER_WIDE
        yield where(manifest), "" if wide != bool(namespace(manifest)) else "its namespace is not written"


def every_object_says_whose_it_is(chart: Rendered) -> Verdicts:
    for manifest in chart.manifests:
        labels = manifest["metadata"].get("labels") or {}
        missing = [name for name in LABELS if not labels.get(name)]
        yield where(manifest), f"no label {', '.join(missing)}" if missing else ""
    for pod in chart.pods:
        fine = pod.labels.get(LABELS[0]) and (pod.labels.get("app") or pod.labels.get("istio"))
        yield f"{pod.where} (its pods)", "" if fine else "no label app or part-of"


def every_priority_is_there(chart: Rendered) -> Verdicts:
    for pod in chart.pods:
        if name := pod.spec.get("priorityClassName"):
            made = chart.values["scheduling"]["priorityClass"]["create"]
            fine = name in PRIORITIES or not made or chart.has("PriorityClass", "", name)
            yield pod.where, "" if fine else f"there is no PriorityClass {name}"


def references(pod: Pod) -> Iterator[tuple[str, str, bool]]:
    """(kind, name, whether it may be missing) of what a pod needs to start."""
    for volume in pod.spec.get("volumes") or []:
        for source in _sources(volume):
            yield source
    for container in pod.containers:
        for source in container.get("envFrom") or []:
            for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if field in source:
                    yield kind, source[field]["name"], bool(source[field].get("optional"))
        for variable in container.get("env") or []:
            origin = variable.get("valueFrom") or {}
            for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                if field in origin:
                    yield kind, origin[field]["name"], bool(origin[field].get("optional"))


def _sources(volume: Json) -> Iterator[tuple[str, str, bool]]:
    for part in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
        if held := part.get("configMap"):
            yield "ConfigMap", held["name"], bool(held.get("optional"))
        if held := part.get("secret"):
            yield "Secret", held.get("secretName") or held["name"], bool(held.get("optional"))
    if held := volume.get("persistentVolumeClaim"):
        yield "PersistentVolumeClaim", held["claimName"], False


def _keys(pod: Pod) -> Iterator[tuple[str, str, str]]:
    for volume in pod.spec.get("volumes") or []:
        for kind, field in (("ConfigMap", "configMap"), ("Secret", "secret")):
            held = volume.get(field) or {}
            for item in held.get("items") or []:
                yield kind, held.get("secretName") or held["name"], item["key"]
    for container in pod.containers:
        for variable in container.get("env") or []:
            origin = variable.get("valueFrom") or {}
            for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                if held := origin.get(field):
                    yield kind, held["name"], held["key"]


def _claim_templates(pod: Pod) -> set[str]:
    return {each["metadata"]["name"] for each in pod.owner["spec"].get("volumeClaimTemplates") or []}


def _claims(pod: Pod) -> set[str]:
    return _claim_templates(pod) if pod.kind == "StatefulSet" else set()


def _words(values: Any) -> Iterator[str]:
    """Every key and text in the values."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield str(key)
            yield from _words(value)
    elif isinstance(values, list):
        for each in values:
            yield from _words(each)
    elif isinstance(values, str):
        yield values


RULES = (
    every_account_of_a_pod_is_there,
    every_config_map_secret_and_claim_is_there_or_somebody_is_told_to_bring_it,
    every_key_of_a_config_map_is_in_it,
    every_mount_has_its_volume_and_every_volume_is_mounted,
    every_object_is_there_once,
    every_object_says_its_namespace,
    every_object_says_whose_it_is,
    every_priority_is_there,
)

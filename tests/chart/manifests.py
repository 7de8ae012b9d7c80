"""What a chart renders for given values, as objects that rules can ask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import helm_python
import yaml

Json = dict[str, Any]
RELEASE = "delinkcious"
NAMESPACE = "delinkcious"
HOOK = "helm.sh/hook"
# C's reader is ten times as fast, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Pod:
    """What an object makes pods of. `kind` and `name` are the object's."""

    kind: str
    name: str
    namespace: str
    owner: Json
    labels: Json
    annotations: Json
    spec: Json

    @property
    def where(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def containers(self) -> list[Json]:
        """Those that start it up too."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def serves(self) -> bool:
        """Whether it runs until it is told to end."""
        return self.kind in ("Deployment", "StatefulSet", "DaemonSet")

    def port_names(self) -> dict[str, int]:
        found = [port for each in self.containers for port in each.get("ports", [])]
        return {port["name"]: port["containerPort"] for port in found if "name" in port}

    def ports(self) -> set[int]:
        return {port["containerPort"] for each in self.containers for port in each.get("ports", [])}

    def matches(self, selector: Json) -> bool:
        return matches(selector, self.labels)


@dataclass(frozen=True)
class Rendered:
    """One combination's objects; `name` says which, `values` all that hold, `readme` what people read."""

    name: str
    values: Json
    manifests: list[Json]
    readme: str = ""

    def of(self, *kinds: str) -> list[Json]:
        return [each for each in self.manifests if each["kind"] in kinds]

    @cached_property
    def pods(self) -> list[Pod]:
        return [pod for each in self.manifests for pod in _pods(each)]

    @cached_property
    def endpoints(self) -> list[Pod]:
        """Its pods, and those that an operator will make for its objects."""
        return [*self.pods, *(_operated(each) for each in self.of("Cluster"))]

    def containers(self) -> Iterator[tuple[str, Pod, Json]]:
        for pod in self.pods:
            for each in pod.containers:
                yield f"{pod.where} container {each['name']}", pod, each

    def has(self, kind: str, namespace: str, name: str) -> bool:
        return self.find(kind, namespace, name) is not None

    def find(self, kind: str, namespace: str, name: str) -> Json | None:
        return self._by_name.get((kind, namespace, name))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str, str], Json]:
        return {(each["kind"], namespace(each), each["metadata"]["name"]): each for each in self.manifests}


class Chart:
    """A folder with a chart in it, read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._chart = helm_python.Chart.load(os.fspath(folder))
        self.values: Json = yaml.safe_load((folder / "values.yaml").read_text())
        readme = folder / "README.md"
        self._readme = readme.read_text() if readme.is_file() else ""

    def render(self, values: Json, name: str = "", *, upgrade: bool = False) -> Rendered:
        """Raises helm_python.HelmError for values that the chart refuses."""
        texts: dict[str, str] = self._chart.render(
            values, name=RELEASE, namespace=NAMESPACE, is_install=not upgrade, is_upgrade=upgrade
        )
        manifests = [
            each
            for file, text in sorted(texts.items())
            if file.endswith((".yaml", ".yml"))
            for each in yaml.load_all(text, LOADER)
            if each
        ]
        return Rendered(name, self._chart.merge_values(values), manifests, self._readme)

    def close(self) -> None:
        self._chart.close()


def namespace(manifest: Json) -> str:
    found: str = manifest["metadata"].get("namespace", "")
    return found


def where(manifest: Json) -> str:
    space = namespace(manifest)
    return f"{manifest['kind']} {space + '/' if space else ''}{manifest['metadata']['name']}"


def annotation(manifest: Json, name: str) -> str:
    found: str = (manifest["metadata"].get("annotations") or {}).get(name, "")
    return found


def matches(selector: Json | None, labels: Json) -> bool:
    """As Kubernetes reads a label selector: an empty one takes everything, none takes nothing."""
    if selector is None:
        return False
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or [])


def _holds(requirement: Json, labels: Json) -> bool:
    value, wanted = labels.get(requirement["key"]), requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"no operator of a selector: {other}")


def _operated(cluster: Json) -> Pod:
    """A pod of a PostgreSQL that CloudNativePG runs."""
    inherited = cluster["spec"].get("inheritedMetadata") or {}
    labels = {**(inherited.get("labels") or {}), "cnpg.io/cluster": cluster["metadata"]["name"]}
    ports = [{"name": "postgresql", "containerPort": 5432}, {"name": "metrics", "containerPort": 9187}]
    ports.append({"name": "status", "containerPort": 8000})
    spec = {"containers": [{"name": "postgres", "ports": ports}]}
    name, space = cluster["metadata"]["name"], namespace(cluster)
    return Pod("Cluster", name, space, cluster, labels, inherited.get("annotations") or {}, spec)


def _pods(manifest: Json) -> Iterator[Pod]:
    kind, spec = manifest["kind"], manifest.get("spec") or {}
    if kind == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
        template = spec["template"]
    elif kind == "Pod":
        template = manifest
    else:
        return
    metadata = template.get("metadata") or {}
    yield Pod(
        kind,
        manifest["metadata"]["name"],
        namespace(manifest),
        manifest,
        metadata.get("labels") or {},
        metadata.get("annotations") or {},
        template["spec"],
    )

"""Istio's YAML beside the chart, by the check that `delinkcious mesh check` makes."""

from __future__ import annotations

import copy
import json
from functools import cache

import yaml

from delinkcious.chart import CHART, ROOT
from mesh.local.check import validate
from mesh.local.model import InvalidConfig, Resource
from mesh.local.resources import parse
from mesh.local.schema.kinds import SUPPORTED
from tests.chart.manifests import Chart, Json, Rendered, namespace
from tests.chart.verdict import Verdicts

POLICY = ("mesh/istio", "mesh/splits")
# Said to Istio's sidecars on a cluster; the local mesh refuses what it does not do.
OF_A_CLUSTER = (
    "prometheus.istio.io/merge-metrics",
    "proxy.istio.io/config",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
)
STAYING = {"persistentVolumeClaim", "hostPath"}


def mesh_check_takes_the_chart_and_the_policy_together(chart: Rendered) -> Verdicts:
    manifests = [_for_one_machine(each) for each in chart.manifests if _kind(each) in SUPPORTED]
    there = {(each["kind"], namespace(each), each["metadata"]["name"]) for each in manifests}
    manifests += [
        each
        for each in _elsewhere()
        if (each["kind"], namespace(each), each["metadata"]["name"]) not in there
    ]
    yield f"{len(manifests)} manifests and the policy", _complaint(manifests)


def _complaint(manifests: list[Json]) -> str:
    text = yaml.dump_all(manifests, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    try:
        resources = parse(text, "chart.yaml")
    except InvalidConfig as error:
        return "; ".join(str(each) for each in error.findings[:3])
    _, findings = validate([*resources, *_policy()])
    return "; ".join(str(each) for each in findings[:3])


@cache
def _policy() -> tuple[Resource, ...]:
    files = [file for folder in POLICY for file in sorted((ROOT / folder).glob("*.yaml"))]
    return tuple(
        each
        for file in files
        if file.name != "kustomization.yaml"
        for each in parse(file.read_text(), str(file.relative_to(ROOT)))
    )


def _elsewhere() -> list[Json]:
    """What is there already where the chart's own is switched off: the gateway, Jaeger, Istio's settings."""
    found: list[Json] = json.loads(_switched_on())
    return found


@cache
def _switched_on() -> str:
    rendered = Chart(CHART).render({"mesh": {"enabled": True}, "jaeger": {"enabled": True}})
    found = [each for each in rendered.manifests if namespace(each) in ("istio-system", "observability")]
    return json.dumps([_for_one_machine(each) for each in found if _kind(each) in SUPPORTED])


def _kind(manifest: Json) -> str:
    return "Deployment" if manifest["kind"] == "StatefulSet" else str(manifest["kind"])


def _for_one_machine(manifest: Json) -> Json:
    """Without what the local mesh has not and refuses, such as volumes that stay."""
    if manifest["kind"] == "Service":
        left = ("publishNotReadyAddresses", *["clusterIP"] * (manifest["spec"].get("clusterIP") == "None"))
        return {**manifest, "spec": {k: v for k, v in manifest["spec"].items() if k not in left}}
    if _kind(manifest) not in ("Deployment", "Job"):
        return manifest
    spec = manifest["spec"]
    template = copy.deepcopy(spec["template"])
    annotations = template["metadata"].get("annotations") or {}
    for name in OF_A_CLUSTER:
        annotations.pop(name, None)
    for container in template["spec"]["containers"]:
        (container.get("lifecycle") or {}).pop("postStart", None)
    claims = [{"name": each["metadata"]["name"]} for each in spec.get("volumeClaimTemplates") or []]
    template["spec"]["volumes"] = [
        {"name": each["name"], "emptyDir": {}} if each.keys() & STAYING or len(each) == 1 else each
        for each in [*(template["spec"].get("volumes") or []), *claims]
    ]
    kept = {name: spec[name] for name in ("replicas", "selector", "strategy") if name in spec}
    made = {**manifest, "kind": _kind(manifest), "spec": {**kept, "template": template}}
    return made if made["kind"] == "Deployment" else {**manifest, "spec": {**spec, "template": template}}


RULES = (mesh_check_takes_the_chart_and_the_policy_together,)

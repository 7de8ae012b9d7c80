"""What looks at the application, in the chart: one configuration for a cluster and for the local mesh."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from delinkcious import chart
from mesh.local.check import validate
from mesh.local.resources import parse

KUBERNETES = "1.37"
Manifest = dict[str, Any]
ON: Manifest = {
    "jaeger": {"enabled": True},
    "prometheus": {"enabled": True},
    "storesExporter": {"enabled": True},
}
OURS = {"jaeger", "prometheus", "stores-exporter"}


@cache
def rendered(where: str) -> list[Manifest]:
    text = chart.render(ON) if where == "cluster" else chart.RENDERED.read_text()
    return [document for document in yaml.safe_load_all(text) if document]


def ours(where: str, kind: str) -> dict[str, Manifest]:
    found = [document for document in rendered(where) if document["kind"] == kind]
    return {document["metadata"]["name"]: document for document in found if _app(document) in OURS}


def _app(document: Manifest) -> str:
    return str((document["metadata"].get("labels") or {}).get("app"))


def configuration(where: str) -> Manifest:
    text = ours(where, "ConfigMap")["prometheus"]["data"]["prometheus.yml"]
    found: Manifest = yaml.safe_load(text)
    return found


@pytest.mark.slow
def test_every_manifest_is_valid_for_kubernetes() -> None:
    for manifest in rendered("cluster"):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_nothing_of_it_is_there_unless_it_is_wanted() -> None:
    documents = yaml.safe_load_all(chart.render())
    assert not [document for document in documents if document and _app(document) in OURS]


@pytest.mark.parametrize("where", ["cluster", "local"])
def test_each_stands_outside_of_the_mesh_with_its_rights_and_memory_bounded(where: str) -> None:
    deployments = ours(where, "Deployment")
    assert deployments.keys() == OURS
    for name, deployment in deployments.items():
        template = deployment["spec"]["template"]
        assert deployment["metadata"]["namespace"] == "observability"
        assert template["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false", name
        assert template["metadata"]["annotations"]["delinkcious.io/optional"] == "true", name
        assert template["spec"]["securityContext"]["runAsNonRoot"], name
        (container,) = template["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["resources"]["limits"]["memory"], name
        assert {"readinessProbe", "livenessProbe"} <= container.keys(), name


def test_only_prometheus_may_ask_the_cluster_and_only_for_pods() -> None:
    roles = ours("cluster", "Role")
    assert roles["prometheus"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    ]
    tokens = {
        name: deployment["spec"]["template"]["spec"]["automountServiceAccountToken"]
        for name, deployment in ours("cluster", "Deployment").items()
    }
    assert tokens == {"jaeger": False, "prometheus": True, "stores-exporter": False}
    assert not ours("cluster", "ClusterRole")
    assert not ours("local", "Role")


def test_both_find_their_pods_and_differ_in_nothing_else_of_a_job() -> None:
    cluster = {job["job_name"]: job for job in configuration("cluster")["scrape_configs"]}
    local = {job["job_name"]: job for job in configuration("local")["scrape_configs"]}
    assert cluster.keys() == {
        "services",
        "sidecars",
        "postgres",
        "redis",
        "nats",
        "jaeger",
        "prometheus",
    }
    for name, job in cluster.items():
        [discovery] = job.pop("kubernetes_sd_configs")
        assert discovery["role"] == "pod"
        assert discovery["namespaces"]["names"] == ["delinkcious", "istio-system", "observability"]
        [files] = local[name].pop("file_sd_configs")
        assert files["files"] == ["../discovery/pods.json"]
    assert cluster == local
    assert configuration("local")["global"]["scrape_interval"] == "5s"
    assert configuration("cluster")["global"]["scrape_interval"] == "15s"


@pytest.mark.parametrize("where", ["cluster", "local"])
def test_jaeger_sends_no_traces_of_itself_to_anybody(where: str) -> None:
    configured = yaml.safe_load(ours(where, "ConfigMap")["jaeger"]["data"]["jaeger.yaml"])
    assert configured["extensions"]["jaeger_query"]["enable_tracing"] is False


@pytest.mark.parametrize("where", ["cluster", "local"])
def test_prometheus_takes_its_configuration_and_every_rule(where: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on PATH: the package prometheus has it")
    maps = ours(where, "ConfigMap")
    for folder, name in (("config", "prometheus"), ("rules", "prometheus-rules")):
        (tmp_path / folder).mkdir()
        for key, text in (maps[name]["data"] or {}).items():
            (tmp_path / folder / key).write_text(text)
    (tmp_path / "discovery").mkdir()
    (tmp_path / "discovery" / "pods.json").write_text("[]")
    file = tmp_path / "config" / "prometheus.yml"
    if where == "cluster":  # Debian's promtool was built without knowing Kubernetes
        found = configuration(where)
        for job in found["scrape_configs"]:
            del job["kubernetes_sd_configs"]
        file.write_text(yaml.safe_dump(found))
    done = subprocess.run([promtool, "check", "config", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("where", "folder"), [("cluster", "rules"), ("local", "rules-local")])
def test_every_rule_file_of_the_repository_is_in_the_chart(repository: Path, where: str, folder: str) -> None:
    files = (repository / "telemetry" / "prometheus" / folder).glob("*.yml")
    wanted = {file.name: yaml.safe_load(file.read_text()) for file in files}
    held = ours(where, "ConfigMap")["prometheus-rules"]["data"] or {}
    assert wanted
    assert {name: yaml.safe_load(text) for name, text in held.items()} == wanted


def test_the_local_mesh_takes_every_manifest() -> None:
    texts = [document for document in rendered("local") if document["kind"] != "Secret"]
    resources = parse(yaml.safe_dump_all(texts), "local.yaml")
    _, findings = validate(resources)
    errors = [str(finding) for finding in findings if finding.level == "error"]
    assert not [text for text in errors if "observability" in text], errors


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"jaeger": {"image": "jaegertracing/jaeger:latest"}}, "image"),
        ({"jaeger": {"maxTraces": 0}}, "maxTraces"),
        ({"prometheus": {"retention": {"time": "for ever", "size": "1GB"}}}, "time"),
        ({"prometheus": {"scrapeIntervall": "5s"}}, "scrapeIntervall"),
    ],
)
def test_wrong_values_are_refused(values: Manifest, complaint: str) -> None:
    with pytest.raises(helm_python.HelmError, match=complaint):
        chart.render(values)


def test_no_password_stands_in_what_is_committed() -> None:
    (container,) = ours("local", "Deployment")["stores-exporter"]["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        assert "://" not in variable.get("value", "")
    files = [variable["name"] for variable in container["env"] if variable["name"].endswith("_FILE")]
    assert sorted(files) == ["NATS_URL_FILE", "POSTGRES_URL_FILE", "REDIS_URL_FILE"]

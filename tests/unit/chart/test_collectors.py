"""What collects logs and traces on Kubernetes: off by default, valid, locked down, by our schema."""

from __future__ import annotations

from typing import Any

import helm_python
import kubernetes_validate
import msgspec
import pytest
import yaml

from delinkcious import chart
from telemetry.line import Line

KUBERNETES = "1.37"
Manifest = dict[str, Any]
ON = {"collector": {"enabled": True}, "logs": {"collector": {"enabled": True}}}


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return rendered(ON)


def rendered(values: Manifest) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(chart.render(values)) if document]


def one(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (m for m in manifests if (m["kind"], m["metadata"]["name"]) == (kind, name))
    return found


def test_neither_is_there_unless_asked_for() -> None:
    names = {manifest["metadata"]["name"] for manifest in rendered({})}
    assert not names & {"otel-collector", "log-collector", "observability"}


def test_with_both_every_manifest_is_valid_and_their_namespace_stands_outside_of_the_mesh(
    manifests: list[Manifest],
) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    assert one(manifests, "Namespace", "observability")["metadata"]["labels"]["istio-injection"] == "disabled"


def test_their_containers_have_no_rights_and_bounds(manifests: list[Manifest]) -> None:
    for kind, name in (("Deployment", "otel-collector"), ("DaemonSet", "log-collector")):
        template = one(manifests, kind, name)["spec"]["template"]
        assert template["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
        (container,) = template["spec"]["containers"]
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_failed_and_slow_traces_are_always_kept(manifests: list[Manifest]) -> None:
    config = yaml.safe_load(one(manifests, "ConfigMap", "otel-collector")["data"]["collector.yaml"])
    (pipeline,) = config["service"]["pipelines"].values()
    for part in ("receivers", "processors", "exporters"):
        assert set(pipeline[part]) <= set(config[part])
    assert pipeline["processors"].index("tail_sampling") < pipeline["processors"].index("batch")
    policies = {policy["name"]: policy for policy in config["processors"]["tail_sampling"]["policies"]}
    assert policies["errors"]["status_code"] == {"status_codes": ["ERROR"]}
    assert policies["slow"]["latency"] == {"threshold_ms": 500}
    assert policies["others"]["probabilistic"] == {"sampling_percentage": 1}
    assert all(policy[policy["type"]] for policy in policies.values())
    settings = one(manifests, "ConfigMap", "links")["data"]
    assert settings["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector.observability:4318"


def test_lines_are_read_by_our_schema_from_the_namespaces_that_are_ours(manifests: list[Manifest]) -> None:
    config = yaml.safe_load(one(manifests, "ConfigMap", "log-collector")["data"]["fluent-bit.yaml"])
    (parser,) = config["parsers"]
    (tail,) = config["pipeline"]["inputs"]
    kubernetes = config["pipeline"]["filters"][0]
    assert parser["format"] == "json"
    assert parser["time_key"] in Line.__struct_fields__
    assert kubernetes["merge_parser"] == parser["name"]
    assert tail["path"].split(",") == [
        "/var/log/containers/*_delinkcious_*.log",
        "/var/log/containers/*_istio-system_*.log",
    ]
    (output,) = config["pipeline"]["outputs"]
    assert output["name"] == "stdout"
    assert output["storage.total_limit_size"] == "512M"


def test_a_password_of_an_output_comes_from_a_secret() -> None:
    source = {"secretKeyRef": {"name": "loki", "key": "password"}}
    outputs = [{"name": "loki", "match": "kube.*", "http_passwd": "${LOKI_PASSWORD}"}]
    collector = {"enabled": True, "env": [{"name": "LOKI_PASSWORD", "valueFrom": source}], "outputs": outputs}
    manifests = rendered({"logs": {"collector": collector}})
    daemons = one(manifests, "DaemonSet", "log-collector")
    kubernetes_validate.validate(daemons, KUBERNETES, strict=True)
    (container,) = daemons["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "LOKI_PASSWORD", "valueFrom": source}]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"collector": {"sampling": {"percentage": 101}}}, "percentage"),
        ({"collector": {"exportTo": "jaeger"}}, "exportTo"),
        ({"logs": {"collector": {"outputs": []}}}, "outputs"),
        ({"logs": {"colector": {}}}, "colector"),
    ],
)
def test_wrong_values_are_refused(values: Manifest, complaint: str) -> None:
    with pytest.raises(helm_python.HelmError, match=complaint):
        chart.render(values)


def test_proxies_write_the_fields_of_our_schema_and_nothing_secret() -> None:
    config = rendered(chart.local_values())
    mesh = yaml.safe_load(one(config, "ConfigMap", "istio")["data"]["mesh"])
    assert mesh["accessLogEncoding"] == "JSON"
    fields: dict[str, str] = msgspec.json.decode(mesh["accessLogFormat"], type=dict[str, str])
    wanted = {field.name for field in msgspec.structs.fields(Line) if field.required}
    assert wanted | {"trace_id", "pod", "method", "status", "duration_ms"} <= set(fields)
    text = mesh["accessLogFormat"].upper()
    assert "%REQ(:PATH)" not in text
    assert not any(word in text for word in ("AUTHORIZATION", "COOKIE", "QUERY_PARAM", "X-SERVICE-TOKEN"))

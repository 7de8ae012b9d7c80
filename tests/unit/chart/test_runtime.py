"""What pods follow while they run: the schema knows it as the services do."""

from __future__ import annotations

import importlib
import json
from typing import Any

import helm_python
import msgspec
import pytest
import yaml

from delinkcious import chart
from services.kit.live.reading import live_names, read
from services.kit.settings import ServiceSettings

KINDS = {
    "users": "UsersSettings",
    "links": "LinksSettings",
    "social-graph": "SocialGraphSettings",
    "news": "NewsSettings",
    "link-checker": "CheckerSettings",
    "web": "WebSettings",
}


def kind_of(service: str) -> type[ServiceSettings]:
    module = importlib.import_module(f"services.{service.replace('-', '_')}.settings")
    kind: type[ServiceSettings] = getattr(module, KINDS[service])
    return kind


def typed(kind: type[ServiceSettings]) -> dict[str, Any]:
    """The live settings as JSON Schema has them."""
    found = {}
    for field in msgspec.structs.fields(kind):
        if field.name in live_names(kind):
            schema = msgspec.json.schema(field.type)
            found[field.name.upper()] = {
                key: value for key, value in schema.items() if key not in ("description", "live")
            }
    return found


def config_maps(values: dict[str, Any]) -> dict[str, str]:
    return {
        manifest["metadata"]["name"].removesuffix("-runtime"): manifest["data"]["runtime.yaml"]
        for manifest in yaml.safe_load_all(chart.render(values))
        if manifest and manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"].endswith("-runtime")
    }


def test_the_schema_knows_exactly_the_settings_that_change_while_a_service_runs() -> None:
    definitions = json.loads((chart.CHART / "values.schema.json").read_text())["$defs"]
    ours: dict[str, Any] = {}
    for service in KINDS:
        ours |= typed(kind_of(service))
    assert definitions["runtime"]["properties"] == typed(ServiceSettings)
    assert definitions["serviceRuntime"]["properties"] == ours


def test_the_schema_knows_each_service_and_which_settings_are_its_own() -> None:
    services = json.loads((chart.CHART / "values.schema.json").read_text())["properties"]["services"]
    assert set(services["propertyNames"]["enum"]) == KINDS.keys()
    (own,) = services["allOf"]
    for service, part in own["properties"].items():
        runtime = part["properties"]["runtime"]
        assert runtime["additionalProperties"] is False
        assert runtime["properties"].keys() == typed(kind_of(service)).keys(), service
    assert own["properties"].keys() == KINDS.keys()


def test_every_service_takes_what_is_rendered_for_it() -> None:
    values = {
        "runtime": {"TRACE_RATIO": 0.5, "LOG_LEVEL": "debug"},
        "services": {
            "users": {"runtime": {"SIGN_UPS_OPEN": False, "SIGN_UP_EVERY_S": 0.5, "LOG_LEVEL": "info"}},
            "links": {"runtime": {"MAX_LINKS_PER_USER": 2_000_000_000}},
        },
    }
    rendered = config_maps(values)
    assert rendered.keys() == KINDS.keys()
    taken = {service: read(text, kind_of(service)()) for service, text in rendered.items()}
    assert {settings.trace_ratio for settings in taken.values()} == {0.5}
    assert (taken["users"].log_level, taken["news"].log_level) == ("info", "debug")
    assert msgspec.structs.asdict(taken["users"])["sign_ups_open"] is False
    assert msgspec.structs.asdict(taken["links"])["max_links_per_user"] == 2_000_000_000


@pytest.mark.parametrize(
    "values",
    [
        {"runtime": {"SIGN_UPS_OPEN": True}},
        {"runtime": {"DATABASE_POOL_SIZE": 5}},
        {"runtime": {"TRACE_RATIO": 2}},
        {"services": {"links": {"runtime": {"MAX_LINKS_PER_USER": "many"}}}},
        {"services": {"links": {"runtime": {"PORT": 1}}}},
        {"services": {"links": {"runtime": {"SIGN_UPS_OPEN": False}}}},
    ],
)
def test_a_wrong_one_is_refused_before_it_is_rendered(values: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError, match="runtime"):
        chart.render(values)


def test_every_pod_follows_the_config_map_of_its_service() -> None:
    pods = {}
    for manifest in yaml.safe_load_all(chart.RENDERED.read_text()):
        if manifest and manifest["kind"] == "Deployment":
            pods[manifest["metadata"]["labels"].get("app")] = manifest["spec"]["template"]["spec"]
    for service in KINDS:
        (container,) = pods[service]["containers"]
        path = next(one["value"] for one in container["env"] if one["name"] == "RUNTIME_CONFIG_FILE")
        folder, _, file = path.rpartition("/")
        name = next(one["name"] for one in container["volumeMounts"] if one["mountPath"] == folder)
        volume = next(one for one in pods[service]["volumes"] if one["name"] == name)
        assert volume["configMap"]["name"] == f"{service}-runtime"
        assert file == "runtime.yaml"

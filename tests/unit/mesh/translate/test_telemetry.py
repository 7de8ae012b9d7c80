"""How Telemetry objects and MeshConfig add up, as observed with Istio's own control plane."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.local import resources, snapshot
from mesh.local.bootstrap import bootstrap
from mesh.local.envoy import istio_metrics, telemetry
from mesh.local.envoy.access_log import access_logs
from mesh.local.envoy.telemetry import Mode
from mesh.local.envoy.tracing import manager_fields
from mesh.local.envoy.view import View
from mesh.local.model import Config
from tests.unit.mesh.translate.world import PROXIES, REGISTRY

FILE = "accessLogFile: /dev/stdout"
NO_FILE = 'accessLogFile: ""'
DEFAULT = NO_FILE + "\n    defaultProviders: { accessLogging: [envoy] }"
JAEGER = """extensionProviders:
    - name: jaeger
      opentelemetry: { service: reviews.default.svc.cluster.local, port: 80, http: { path: /t } }
    - { name: other, opentelemetry: { service: ratings.default.svc.cluster.local, port: 50051 } }
    - { name: gone, opentelemetry: { service: gone.default.svc.cluster.local, port: 80 } }"""


def view(mesh: str, *specs: tuple[str, str], proxy: str = "client") -> View:
    """The view of a proxy of `default`: MeshConfig and Telemetry objects (namespace, spec in flow form)."""
    text = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{ name: istio, namespace: istio-system }}
data:
  mesh: |
    {mesh}
"""
    for number, (namespace, spec) in enumerate(specs):
        text += f"""---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {{ name: t{number}, namespace: {namespace} }}
spec: {spec}
"""
    return View(PROXIES[proxy], Config(resources.parse(text, "t.yaml")), REGISTRY, {})


def logging(entry: str) -> tuple[str, str]:
    return "default", f"{{ accessLogging: [{entry}] }}"


@pytest.mark.parametrize(
    ("mesh", "entry", "client", "server"),
    [
        (FILE, "", True, True),
        (NO_FILE, "", False, False),
        (DEFAULT, "", True, True),
        (FILE, "{ disabled: true }", True, True),
        (FILE, "{ providers: [{ name: envoy }], disabled: true }", False, False),
        (FILE, "{ match: { mode: SERVER }, providers: [{ name: envoy }] }", True, True),
        (NO_FILE, "{ match: { mode: SERVER }, providers: [{ name: envoy }] }", False, True),
        (FILE, "{ match: { mode: SERVER }, providers: [{ name: envoy }], disabled: true }", True, False),
        (DEFAULT, "{ disabled: true }", False, False),
        (DEFAULT, "{ disabled: false }", True, True),
        (DEFAULT, "{ match: { mode: CLIENT }, disabled: true }", False, False),
        (NO_FILE, "{ providers: [{ name: nobody }] }", False, False),
        (FILE, "{ providers: [{ name: nobody }] }", True, True),
    ],
)
def test_the_access_log_file_is_a_fallback_for_directions_without_a_provider(
    mesh: str, entry: str, client: bool, server: bool
) -> None:
    seen = view(mesh, *([logging(entry)] if entry else []))
    modes: list[Mode] = ["CLIENT", "SERVER"]
    assert [bool(access_logs(seen, mode)) for mode in modes] == [client, server]


def test_a_level_that_names_providers_replaces_those_above() -> None:
    root = ("istio-system", "{ accessLogging: [{ providers: [{ name: envoy }] }] }")
    own = ("default", "{ accessLogging: [{ providers: [{ name: file }] }] }")
    mesh = "extensionProviders: [{ name: file, envoyFileAccessLog: { path: /tmp/log } }]"
    [log] = access_logs(view(mesh, root, own), "CLIENT")
    assert log["typed_config"]["path"] == "/tmp/log"  # noqa: S108


def test_objects_of_other_namespaces_and_of_other_workloads_say_nothing() -> None:
    off = "accessLogging: [{ providers: [{ name: envoy }], disabled: true }]"
    other = ("other", f"{{ {off} }}")
    root = ("istio-system", f"{{ selector: {{ matchLabels: {{ app: client }} }}, {off} }}")
    stranger = ("default", f"{{ selector: {{ matchLabels: {{ app: reviews }} }}, {off} }}")
    assert access_logs(view(FILE, other, root, stranger), "CLIENT")


METRICS = "defaultProviders: { metrics: [prometheus] }"
ALL_OFF = "{ metrics: [{ overrides: [{ match: { metric: ALL_METRICS%s }, disabled: true }] }] }"


@pytest.mark.parametrize(
    ("mesh", "specs", "client", "server"),
    [
        ("{}", [], False, False),
        (METRICS, [], True, True),
        ("{}", [("istio-system", "{ metrics: [{ providers: [{ name: Prometheus }] }] }")], True, True),
        (METRICS, [("default", "{ metrics: [{ providers: [{ name: nobody }] }] }")], False, False),
        (METRICS, [("istio-system", ALL_OFF % "")], False, False),
        (METRICS, [("istio-system", ALL_OFF % ", mode: SERVER")], True, False),
        (
            METRICS,
            [
                ("istio-system", ALL_OFF % ""),
                ("default", "{ metrics: [{ overrides: [{ disabled: false }] }] }"),
            ],
            True,
            True,
        ),
    ],
)
def test_metrics_are_made_where_prometheus_is_in_force(
    mesh: str, specs: list[tuple[str, str]], client: bool, server: bool
) -> None:
    seen = view(mesh, *specs)
    modes: list[Mode] = ["CLIENT", "SERVER"]
    assert [telemetry.metrics(seen, mode) is not None for mode in modes] == [client, server]


@pytest.mark.parametrize(
    ("mesh", "specs", "counts"),
    [
        ("{}", [], False),
        (METRICS, [], True),
        (METRICS, [("default", ALL_OFF % ", mode: CLIENT")], False),
        (METRICS, [("default", ALL_OFF % ", mode: SERVER")], True),
        (METRICS, [("default", (ALL_OFF % "").replace("ALL_METRICS", "REQUEST_COUNT"))], False),
    ],
)
def test_whether_a_proxy_counts_requests_stands_in_its_listeners(
    mesh: str, specs: list[tuple[str, str]], counts: bool
) -> None:
    seen = view(mesh, *specs)
    made = snapshot.build(seen.proxy, seen.config, seen.registry, {})
    assert istio_metrics.counts_requests(made.listeners.values()) is counts


def _tracing(*specs: tuple[str, str], mesh: str = JAEGER, mode: Mode = "CLIENT") -> tuple[str, float] | None:
    """The cluster of the spans and the share of requests in percent."""
    block = manager_fields(view(mesh, *specs), mode).get("tracing")
    if block is None:
        return None
    config = block["provider"]["typed_config"]
    service = config.get("http_service") or config["grpc_service"]
    place = service.get("http_uri") or service["envoy_grpc"]
    return place.get("cluster") or place["cluster_name"], block["random_sampling"]["value"]


FIRST = "outbound|80||reviews.default.svc.cluster.local"
SECOND = "outbound|50051||ratings.default.svc.cluster.local"
ROOT = ("istio-system", "{ tracing: [{ providers: [{ name: jaeger }], randomSamplingPercentage: 5 }] }")


def test_what_a_level_leaves_open_is_inherited() -> None:
    assert _tracing() is None
    assert _tracing(ROOT) == (FIRST, 5)
    assert _tracing(ROOT, ("default", "{ tracing: [{ randomSamplingPercentage: 0 }] }")) == (FIRST, 0)
    assert _tracing(ROOT, ("default", "{ tracing: [{ providers: [{ name: other }] }] }")) == (SECOND, 5)


def test_spans_are_switched_off_by_side_and_without_a_service_behind_the_provider() -> None:
    off = ("default", "{ tracing: [{ match: { mode: SERVER }, disableSpanReporting: true }] }")
    assert _tracing(ROOT, off) == (FIRST, 5)
    assert _tracing(ROOT, off, mode="SERVER") is None
    assert _tracing(("default", "{ tracing: [{ providers: [{ name: gone }] }] }")) is None


def test_sampling_comes_from_the_telemetry_then_the_proxies_configuration_then_istios_default() -> None:
    default = f"{JAEGER}\n    defaultProviders: {{ tracing: [jaeger] }}"
    assert _tracing(mesh=default) == (FIRST, 1)
    proxies = f"{default}\n    defaultConfig: {{ tracing: {{ sampling: 30 }} }}"
    assert _tracing(mesh=proxies) == (FIRST, 30)
    assert _tracing(("default", "{ tracing: [{ randomSamplingPercentage: 2 }] }"), mesh=proxies) == (FIRST, 2)


def test_the_edges_of_istios_histograms_come_from_the_pods_annotation() -> None:
    written = '{"istiocustom": [1, 5], "cluster.": [10]}'
    proxy = replace(PROXIES["client"], annotations={"sidecar.istio.io/statsHistogramBuckets": written})
    found = bootstrap(proxy)["stats_config"]["histogram_bucket_settings"]
    assert {one["match"]["prefix"]: one["buckets"] for one in found} == {"istio.": [1, 5], "cluster.": [10]}
    assert bootstrap(PROXIES["client"])["stats_config"]["histogram_bucket_settings"] == []


def test_an_edit_that_does_not_touch_metrics_makes_the_same_loggers() -> None:
    first, second = (istio_metrics.loggers(view(METRICS), "CLIENT", "http") for _ in range(2))
    assert first
    assert first is second

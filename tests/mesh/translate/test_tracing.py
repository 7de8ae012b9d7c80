"""Spans from real Envoys: they hang together, and who decides about sampling is who should."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.mesh.translate.conftest import CLIENT, INGRESS_POD, REVIEWS, SERVICES
from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import EVERY_HOST, STRICT, policy, virtual_service
from tests.mesh.translate.telemetry import (
    COLLECTOR,
    COLLECTOR_POD,
    JAEGER,
    Collector,
    Span,
    ask_from,
    collecting,
    mesh_config,
    telemetry,
    traceparent,
    until,
)

PODS = [CLIENT, REVIEWS[0], INGRESS_POD, COLLECTOR_POD]
SERVED = [*SERVICES, COLLECTOR]
RUNTIME = {"tracing.client_enabled": "0"}  # as the chart's MeshConfig says
OPERATOR = "127.0.0.2"
NETWORKS = '{ networks: { operators: { endpoints: [{ fromCidr: "127.0.0.2/32" }] } } }'
CONFIG = mesh_config(JAEGER, NETWORKS)
INSIDE = telemetry("inside", "{ tracing: [{ useRequestIdForTraceSampling: false }] }", "default")
EDGE = EVERY_HOST + virtual_service(
    "[{ match: [{ uri: { prefix: /shop } }], route: [{ destination: { host: reviews } }] }]",
    "*",
    "gateways: [edge]",
)


def sampling(percent: float, more: str = "") -> str:
    entry = f"{{ providers: [{{ name: jaeger }}], randomSamplingPercentage: {percent}, {more} }}"
    return telemetry("mesh-default", f"{{ tracing: [{entry}] }}")


@pytest.fixture(scope="module")
def collector(running: Lab) -> Iterator[Collector]:
    """One for all tests: proxies keep their connections to it."""
    with collecting(running) as found:
        yield found


def new_trace() -> str:
    return secrets.token_hex(16)


def by_id(spans: list[Span]) -> dict[str, Span]:
    return {span.id: span for span in spans}


def test_the_spans_of_the_gateway_and_of_a_sidecar_hang_together(lab: Lab, collector: Collector) -> None:
    lab.apply(CONFIG + sampling(100) + INSIDE + EDGE + STRICT + policy("nothing", "{}", "observability"))
    answer = lab.edge("gateway", "edge.example.test", "/shop/1?secret=7")
    trace = answer.echo["headers"]["traceparent"].split("-")[1]
    until(lambda: len(collector.of(trace)) == 3)
    ours = by_id(collector.of(trace))
    [server] = [span for span in ours.values() if span.service == "reviews.default"]
    outgoing = ours[server.parent]
    incoming = ours[outgoing.parent]
    assert (server.kind, outgoing.kind, incoming.kind) == (2, 3, 2)
    assert outgoing.service == incoming.service == "ingressgateway.istio-system"
    assert incoming.parent == ""
    assert incoming.name == server.name == "reviews.default.svc.cluster.local:80/shop*", (
        "the decorator's name"
    )
    assert server.tags["istio.canonical_service"] == "reviews"
    assert server.tags["istio.canonical_revision"] == "v1"
    assert server.tags["istio.namespace"] == "default"
    assert server.tags["istio.mesh_id"] == "cluster.local"
    assert server.tags["istio.cluster_id"] == "Kubernetes"
    assert "secret" not in str(ours), "maxTagLength 1 leaves nothing of the path"


def test_an_applications_own_context_is_the_parent_of_both_sidecars_spans(
    lab: Lab, collector: Collector
) -> None:
    lab.apply(CONFIG + sampling(0) + INSIDE)
    trace = new_trace()
    echo = lab.get("client", "http://reviews/", headers=traceparent(trace, sampled=True)).echo
    assert echo["headers"]["traceparent"].split("-")[1] == trace
    until(lambda: len(collector.of(trace)) == 2)
    spans = collector.of(trace)
    [client] = [span for span in spans if span.service == "client.default"]
    [server] = [span for span in spans if span.service == "reviews.default"]
    assert client.parent == "b7ad6b7169203331"
    assert server.parent == client.id
    assert echo["headers"]["traceparent"].split("-")[2] == server.id


def test_an_unsampled_context_stays_unsampled_inside(lab: Lab, collector: Collector) -> None:
    lab.apply(CONFIG + sampling(100) + INSIDE)
    quiet, loud = new_trace(), new_trace()
    echo = lab.get("client", "http://reviews/", headers=traceparent(quiet, sampled=False)).echo
    assert echo["headers"]["traceparent"].endswith("-00")
    lab.get("client", "http://reviews/", headers=traceparent(loud, sampled=True))
    until(lambda: len(collector.of(loud)) == 2)
    assert collector.of(quiet) == []


FORCING = {
    "a sampled traceparent": {},
    "x-envoy-force-trace": {"x-envoy-force-trace": "1"},
    "a request id that says sampled": {"x-request-id": "aaaaaaaa-bbbb-9ccc-8ddd-eeeeeeeeeeee"},
    "x-client-trace-id": {"x-client-trace-id": "abc"},
}


@pytest.mark.parametrize("headers", FORCING.values(), ids=FORCING.keys())
def test_an_anonymous_caller_forces_no_trace(lab: Lab, collector: Collector, headers: dict[str, str]) -> None:
    lab.apply(CONFIG + sampling(0) + INSIDE + EDGE)
    refused, witness = new_trace(), new_trace()
    ask_from("127.0.0.1", lab, "gateway", "/shop", {**traceparent(refused, sampled=True), **headers})
    forced = {**traceparent(witness, sampled=True), "x-envoy-force-trace": "1"}
    ask_from(OPERATOR, lab, "gateway", "/shop", forced)
    until(lambda: len(collector.of(witness)) == 3)
    assert collector.of(refused) == []
    assert [echo["headers"]["traceparent"][-2:] for echo in lab.requests] == ["00", "01"]


def test_a_caller_from_the_operators_network_forces_a_trace_with_the_header_only(
    lab: Lab, collector: Collector
) -> None:
    lab.apply(CONFIG + sampling(0) + INSIDE + EDGE)
    plain, forced = new_trace(), new_trace()
    ask_from(OPERATOR, lab, "gateway", "/shop", traceparent(plain, sampled=True))
    headers = {**traceparent(forced, sampled=True), "x-envoy-force-trace": "1"}
    ask_from(OPERATOR, lab, "gateway", "/shop", headers)
    until(lambda: len(collector.of(forced)) == 3)
    assert collector.of(plain) == []


def test_custom_tags_and_switching_off(lab: Lab, collector: Collector) -> None:
    tags = """customTags: {
      stage: { literal: { value: test } },
      tenant: { header: { name: x-tenant, defaultValue: nobody } },
      home: { environment: { name: NO_SUCH_VARIABLE, defaultValue: nowhere } },
      method: { formatter: { value: "%REQ(:METHOD)%" } },
      peer.address: { literal: { value: "-" } } }"""
    lab.apply(CONFIG + sampling(100, tags) + INSIDE)
    trace, after = new_trace(), new_trace()
    headers = {**traceparent(trace, sampled=True), "x-tenant": "acme"}
    lab.get("client", "http://reviews/", headers=headers)
    until(lambda: len(collector.of(trace)) == 2)
    wanted = {"stage": "test", "tenant": "acme", "home": "nowhere", "method": "GET", "peer.address": "-"}
    for span in collector.of(trace):
        assert wanted.items() <= span.tags.items()
    off = telemetry(
        "inside", "{ tracing: [{ match: { mode: SERVER }, disableSpanReporting: true }] }", "default"
    )
    lab.apply(CONFIG + sampling(100) + off)
    lab.get("client", "http://reviews/", headers=traceparent(after, sampled=True))
    until(lambda: collector.of(after))
    assert [span.service for span in collector.of(after)] == ["client.default"]


def test_a_missing_collector_harms_no_request(lab: Lab) -> None:
    lab.apply(CONFIG + sampling(100))
    for _ in range(20):
        assert lab.get("client", "http://reviews/").status == 200
    assert "OTLP" not in lab.log("client")

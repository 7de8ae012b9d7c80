"""Istio's metrics on a real Envoy: the counters of both sides are what was sent, label by label."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import pytest

from mesh.local.model import Service, ServicePort
from tests.mesh.translate.conftest import CLIENT, INGRESS_POD, NAKED, REVIEWS, SERVICES
from tests.mesh.translate.lab import DEADLINE_S, Lab
from tests.mesh.translate.rules import EVERY_HOST, policy, virtual_service
from tests.mesh.translate.telemetry import METRICS, Sample, samples, telemetry, total, until

CALLED = Service("calls", "default", (ServicePort("grpc", 50051, 50051, "http2"),), {"app": "reviews"})
SERVED = [*SERVICES, CALLED]
PODS = [CLIENT, replace(REVIEWS[0], ports=(8080, 9000, 50051)), NAKED, INGRESS_POD]
REQUESTS = "istio_requests_total"
SPIFFE = "spiffe://cluster.local/ns"
DENIAL = policy("denial", '{ action: DENY, rules: [{ to: [{ operation: { paths: ["/denied"] } }] }] }')
# Every label that Istio writes for an HTTP request.
LABELS = {
    "reporter", "request_protocol", "response_code", "response_flags", "grpc_response_status",
    "connection_security_policy", "destination_service", "destination_service_name",
    "destination_service_namespace",
    *(
        f"{side}_{part}"
        for side in ("source", "destination")
        for part in (
            "workload", "workload_namespace", "principal", "app", "version", "cluster",
            "canonical_service", "canonical_revision",
        )
    ),
}  # fmt: skip


@pytest.fixture
def counted(lab: Lab) -> Lab:
    """The lab with metrics on and all counters at zero."""
    lab.apply(METRICS)
    for pod in ("client", "reviews-v1", "gateway"):
        lab.admin_post(pod, "/reset_counters")
    return lab


def outcomes(lab: Lab, pod: str, **labels: str) -> Counter[str]:
    """Requests by `code flags`."""
    made: Counter[str] = Counter()
    for sample in samples(lab, pod, REQUESTS):
        if labels.items() <= sample.labels.items():
            made[f"{sample.labels['response_code']} {sample.labels['response_flags']}"] += int(sample.value)
    return +made


def only(found: list[Sample]) -> Sample:
    [sample] = [sample for sample in found if sample.value]
    return sample


def test_both_sides_count_what_was_sent(counted: Lab) -> None:
    fault = "fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }"
    route = "route: [{ destination: { host: reviews } }]"
    rules = f"[{{ match: [{{ uri: {{ prefix: /aborted }} }}], {fault}, {route} }}, {{ {route} }}]"
    counted.apply(METRICS + DENIAL + virtual_service(rules))
    sent = {"/": 7, "/status/404": 3, "/status/503": 2, "/denied": 4, "/aborted": 5}
    for path, times in sent.items():
        for _ in range(times):
            counted.get("client", f"http://reviews{path}")
    for _ in range(6):
        counted.get("client", "http://empty/")
    answered = {"200 -": 7, "404 -": 3, "503 -": 2}
    assert outcomes(counted, "client") == {**answered, "403 -": 4, "418 FI": 5, "503 UH": 6}
    assert outcomes(counted, "reviews-v1") == {**answered, "403 -": 4}, "the server never saw the aborts"


def test_the_labels_are_istios_and_tell_who_spoke_to_whom(counted: Lab) -> None:
    counted.get("client", "http://reviews/")
    shared = {
        "source_workload_namespace": "default",
        "source_principal": f"{SPIFFE}/default/sa/client",
        "source_app": "client",
        "source_workload": "client",
        "destination_workload": "reviews-v1",
        "destination_workload_namespace": "default",
        "destination_principal": f"{SPIFFE}/default/sa/reviews",
        "destination_app": "reviews",
        "destination_version": "v1",
        "destination_canonical_service": "reviews",
        "destination_canonical_revision": "v1",
        "destination_service": "reviews.default.svc.cluster.local",
        "destination_service_name": "reviews",
        "destination_service_namespace": "default",
        "destination_cluster": "Kubernetes",
        "source_cluster": "Kubernetes",
        "request_protocol": "http",
        "response_code": "200",
        "response_flags": "-",
        "grpc_response_status": "",
    }
    for pod, reporter, policy_ in (
        ("client", "source", "unknown"),
        ("reviews-v1", "destination", "mutual_tls"),
    ):
        labels = only(samples(counted, pod, REQUESTS)).labels
        assert set(labels) == LABELS
        own = {"reporter": reporter, "connection_security_policy": policy_}
        assert {**shared, **own}.items() <= labels.items()


def test_a_client_without_a_sidecar_is_unknown_and_not_secure(counted: Lab) -> None:
    counted.direct("reviews-v1", "/")
    labels = only(samples(counted, "reviews-v1", REQUESTS)).labels
    unknown = {key: labels[key] for key in labels if key.startswith("source_")}
    assert set(unknown.values()) == {"unknown", "latest"}
    assert labels["connection_security_policy"] == "none"
    assert labels["destination_service_name"] == "reviews"


def test_a_server_without_a_sidecar_has_no_principal(counted: Lab) -> None:
    counted.get("client", "http://naked/")
    labels = only(samples(counted, "client", REQUESTS)).labels
    assert labels["destination_principal"] == labels["source_principal"] == "unknown"
    assert labels["destination_workload"] == "naked"


def test_the_gateway_reports_as_a_source(counted: Lab) -> None:
    rule = virtual_service(
        "[{ route: [{ destination: { host: reviews, port: { number: 80 } } }] }]",
        "edge.example.test",
        "gateways: [edge]",
    )
    counted.apply(METRICS + EVERY_HOST + rule)
    for _ in range(3):
        assert counted.edge("gateway", "edge.example.test", "/").status == 200
    counted.edge("gateway", "nobody.example.test", "/")
    assert outcomes(counted, "gateway", reporter="source") == {"200 -": 3, "404 NR": 1}
    assert outcomes(counted, "reviews-v1", source_workload="ingressgateway") == {"200 -": 3}
    hosts = {sample.labels["destination_service"] for sample in samples(counted, "gateway", REQUESTS)}
    assert hosts == {"reviews.default.svc.cluster.local", "unknown"}, "no label holds a Host header"


def test_histograms_hold_every_request(counted: Lab) -> None:
    for _ in range(4):
        url = "http://reviews/status/207"  # a code of its own: resetting counters resets no histogram
        counted.get("client", url, method="POST", headers={"x-sleep": "0.05"}, body=b"x" * 5000)
    for pod in ("client", "reviews-v1"):
        for name in ("request_duration_milliseconds", "request_bytes", "response_bytes"):
            count = partial(total, counted, pod, f"istio_{name}_count", response_code="207")
            until(lambda count=count: count() == 4)  # type: ignore[misc]
        took = total(counted, pod, "istio_request_duration_milliseconds_sum", response_code="207")
        assert 200 <= took < 4000
        size = total(counted, pod, "istio_request_bytes_sum", response_code="207")
        assert size == pytest.approx(4 * 5150, rel=0.1)


class _Counting(grpc.GenericRpcHandler):
    """A gRPC service without a schema: it sends back each message twice, and fails when told to."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.stream_stream_rpc_method_handler(self._twice)

    def _twice(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for message in messages:
            if message == b"fail":
                context.abort(grpc.StatusCode.NOT_FOUND, "told to")
            yield message
            yield message


def test_grpc_calls_are_counted_by_their_status(counted: Lab) -> None:
    host, port = counted.vacate("reviews-v1", 50051)
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Counting()])
    server.add_insecure_port(f"{host}:{port}")
    server.start()
    try:
        address = ":".join(map(str, counted.proxy("client").egress))
        options = [("grpc.default_authority", "calls:50051"), ("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(address, options=options) as channel:
            call: Any = channel.stream_stream("/test.Calls/Twice")
            for _ in range(3):
                assert len(list(call(iter([b"a", b"b"]), timeout=DEADLINE_S))) == 4
            with pytest.raises(grpc.RpcError, match="told to"):
                list(call(iter([b"fail"]), timeout=DEADLINE_S))
    finally:
        server.stop(0)
    for pod in ("client", "reviews-v1"):
        until(lambda pod=pod: total(counted, pod, REQUESTS, request_protocol="grpc") == 4)  # type: ignore[misc]
        by_status = {
            s.labels["grpc_response_status"]: s.value for s in samples(counted, pod, REQUESTS) if s.value
        }
        assert by_status == {"0": 3, "5": 1}


def test_a_tunnel_to_a_tcp_port_counts_as_a_tcp_connection(counted: Lab) -> None:
    with socket.create_connection(counted.proxy("client").egress, timeout=DEADLINE_S) as tunnel:
        tunnel.sendall(b"CONNECT reviews:9000 HTTP/1.1\r\nHost: reviews:9000\r\n\r\n")
        assert b"200" in tunnel.recv(4096)
        tunnel.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while tunnel.recv(4096):
            pass
    for pod, reporter in (("client", "source"), ("reviews-v1", "destination")):
        closed = partial(total, counted, pod, "istio_tcp_connections_closed_total")
        until(lambda closed=closed: closed() == 1)  # type: ignore[misc]
        labels = only(samples(counted, pod, "istio_tcp_connections_opened_total")).labels
        assert (labels["reporter"], labels["request_protocol"]) == (reporter, "tcp")
        assert labels["source_workload"] == "client"
        assert labels["destination_workload"] == "reviews-v1"
        assert "response_code" not in labels
        assert total(counted, pod, "istio_tcp_sent_bytes_total") > 100
        assert outcomes(counted, pod) == {}, "it is no request"


def test_http_through_a_tunnel_counts_once(counted: Lab) -> None:
    with socket.create_connection(counted.proxy("client").egress, timeout=DEADLINE_S) as tunnel:
        tunnel.sendall(b"CONNECT reviews:80 HTTP/1.1\r\nHost: reviews:80\r\n\r\n")
        assert b"200" in tunnel.recv(4096)
        tunnel.sendall(b"GET / HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n")
        while tunnel.recv(4096):
            pass
    # Each notices the end of the tunnel by itself.
    until(lambda: all(outcomes(counted, pod) for pod in ("client", "reviews-v1")))
    assert outcomes(counted, "client") == outcomes(counted, "reviews-v1") == {"200 -": 1}
    assert total(counted, "client", "istio_tcp_connections_opened_total") == 0


def test_no_provider_no_metrics(lab: Lab) -> None:
    lab.apply("")
    before = total(lab, "client", REQUESTS)
    lab.get("client", "http://reviews/")
    assert total(lab, "client", REQUESTS) == before


def test_overrides_switch_metrics_off_and_change_their_tags(counted: Lab) -> None:
    spec = """{ metrics: [{ overrides: [
      { match: { metric: REQUEST_SIZE, mode: SERVER }, disabled: true },
      { match: { metric: REQUEST_COUNT }, tagOverrides: {
          response_flags: { operation: REMOVE },
          method: { value: request.method },
          read: { value: "request.method == 'GET' ? 'GET' : request.method == 'HEAD' ? 'HEAD' : 'other'" },
          tenant: { value: "request.headers['x-tenant']" },
          stage: { value: "'test'" } } }] }] }"""
    counted.apply(METRICS + telemetry("default", spec, "default"))
    counted.admin_post("client", "/reset_counters")
    counted.get("client", "http://reviews/", headers={"x-tenant": "acme"})
    for pod in ("client", "reviews-v1"):
        labels = only([s for s in samples(counted, pod, REQUESTS) if "stage" in s.labels]).labels
        assert (labels["method"], labels["tenant"], labels["stage"]) == ("GET", "acme", "test")
        assert labels["read"] == "GET"
        assert "response_flags" not in labels
    for method in ("HEAD", "POST", "PATCH", "POST"):
        counted.get("client", "http://reviews/status/208", method=method)
    for pod in ("client", "reviews-v1"):
        reads: Counter[str] = Counter()
        for sample in samples(counted, pod, REQUESTS):
            if sample.labels["response_code"] == "208":
                reads[sample.labels["read"]] += int(sample.value)
        assert reads == {"HEAD": 1, "other": 3}
    listeners = counted.admin("reviews-v1", "/config_dump?resource=dynamic_listeners")
    assert listeners.count('"name": "response_bytes"') > listeners.count('"name": "request_bytes"') > 0

"""Timeouts, retries, faults, mirrors, pools and outliers, as the client's sidecar carries them out."""

from __future__ import annotations

import time

from tests.mesh.translate.lab import DEADLINE_S, Lab
from tests.mesh.translate.rules import SUBSETS, V1, virtual_service


def test_a_timeout_ends_the_request(lab: Lab) -> None:
    lab.apply(SUBSETS + virtual_service(f"[{{ timeout: 200ms, {V1} }}]"))
    answer = lab.get("client", "http://reviews/", headers={"x-sleep": "20"})
    assert (answer.status, answer.body) == (504, "upstream request timeout")
    assert answer.took_s < 19


def test_retries_are_as_many_as_written(lab: Lab) -> None:
    lab.apply(
        SUBSETS + virtual_service(f"[{{ retries: {{ attempts: 3, retryOn: '503', backoff: 1ms }}, {V1} }}]")
    )
    assert lab.get("client", "http://reviews/status/503").status == 503
    assert [seen["headers"]["x-envoy-attempt-count"] for seen in lab.requests] == ["1", "2", "3", "4"]


def test_the_default_does_not_retry_an_answer(lab: Lab) -> None:
    lab.apply(SUBSETS + virtual_service(f"[{{ {V1} }}]"))
    assert lab.get("client", "http://reviews/status/503").status == 503
    assert len(lab.requests) == 1


def test_faults_are_injected_at_the_client(lab: Lab) -> None:
    abort = "fault: { abort: { httpStatus: 555, percentage: { value: 100 } } }"
    delay = "fault: { delay: { fixedDelay: 300ms, percentage: { value: 100 } } }, timeout: 100ms"
    never = "fault: { abort: { httpStatus: 555 } }"
    rules = ", ".join(
        f"{{ match: [{{ uri: {{ prefix: {path} }} }}], {fault}, {V1} }}"
        for path, fault in (("/abort", abort), ("/delay", delay), ("/never", never))
    )
    lab.apply(SUBSETS + virtual_service(f"[{rules}]"))
    answer = lab.get("client", "http://reviews/abort")
    assert (answer.status, answer.body, lab.requests) == (555, "fault filter abort", [])
    late = lab.get("client", "http://reviews/delay")
    assert late.status == 200
    assert late.took_s >= 0.29  # Envoy counts whole milliseconds, from when it has the request
    assert lab.get("client", "http://reviews/never").status == 200


def test_a_mirror_gets_a_copy(lab: Lab) -> None:
    mirror = "mirror: { host: reviews, subset: v2 }"
    lab.apply(SUBSETS + virtual_service(f"[{{ {mirror}, {V1} }}]"))
    assert lab.get("client", "http://reviews/copy", method="POST", body=b"text").pod == "reviews-v1"
    deadline = time.monotonic() + DEADLINE_S
    while len(lab.requests) < 2:
        assert time.monotonic() < deadline, "the mirror got nothing"
        time.sleep(0.01)
    copies = {seen["pod"]: (seen["body"], seen["headers"]["host"]) for seen in lab.requests}
    assert copies == {"reviews-v1": ("text", "reviews"), "reviews-v2": ("text", "reviews")}


def test_a_pod_that_fails_is_ejected(lab: Lab) -> None:
    detection = "{ consecutive5xxErrors: 1, interval: 10s, baseEjectionTime: 60s, maxEjectionPercent: 100 }"
    lab.apply(
        f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: reviews, namespace: default }}
spec: {{ host: reviews, trafficPolicy: {{ outlierDetection: {detection} }} }}
"""
    )
    deadline = time.monotonic() + DEADLINE_S  # Envoy joins changes of health within a second
    while (answer := lab.get("client", "http://reviews/status/500")).status == 500:
        assert time.monotonic() < deadline, "nothing was ejected"
    assert (answer.status, answer.body) == (503, "no healthy upstream")


def test_cors_is_answered_by_the_clients_sidecar(lab: Lab) -> None:
    cors = "corsPolicy: { allowOrigins: [{ exact: 'https://a.example' }], allowMethods: [GET], maxAge: 1h }"
    lab.apply(SUBSETS + virtual_service(f"[{{ {cors}, {V1} }}]"))
    headers = {"origin": "https://a.example", "access-control-request-method": "GET"}
    answer = lab.get("client", "http://reviews/", method="OPTIONS", headers=headers)
    assert (answer.status, answer.headers["access-control-max-age"], lab.requests) == (200, "3600", [])

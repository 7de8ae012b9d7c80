"""Copies of requests on a real Envoy: who counts them, as whose they are known, how long they take."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import STRICT, SUBSETS, V1, policy, virtual_service
from tests.mesh.translate.telemetry import METRICS, samples, total, until

ROOT = Path(__file__).parents[3]
REQUESTS, DURATIONS = "istio_requests_total", "istio_request_duration_milliseconds"
CLIENT = "cluster.local/ns/default/sa/client"
# The project's own tag, for the lab's namespace.
_, INSIDE = (ROOT / "mesh/istio/telemetry.yaml").read_text().split("---\n")
TAGGED = INSIDE.replace("namespace: delinkcious", "namespace: default") + "---\n"
# Whoever else's a copy were, or whatever host it named, the policy would refuse it.
ALLOWED = policy(
    "callers",
    f"""{{ selector: {{ matchLabels: {{ app: reviews }} }}, action: ALLOW, rules: [{{
      from: [{{ source: {{ principals: ["{CLIENT}"] }} }}],
      to: [{{ operation: {{ hosts: [reviews], notPaths: [/forbidden] }} }}] }}] }}""",
)
# The original is answered at once, its copy only later.
REFUSED_BY_V1 = policy(
    "late",
    """{ selector: { matchLabels: { app: reviews, version: v1 } }, action: DENY,
      rules: [{ to: [{ operation: { paths: [/late] } }] }] }""",
)
MIRROR = "mirrors: [{ destination: { host: reviews, subset: v2 } }]"
MIRRORED = virtual_service(f"[{{ match: [{{ method: {{ exact: GET }} }}], {MIRROR}, {V1} }}, {{ {V1} }}]")


@pytest.fixture
def mirrored(lab: Lab) -> Lab:
    lab.apply(METRICS + TAGGED + STRICT + SUBSETS + ALLOWED + REFUSED_BY_V1 + MIRRORED)
    for pod in ("client", "reviews-v1", "reviews-v2"):
        lab.admin_post(pod, "/reset_counters")
    return lab


def counted(lab: Lab, pod: str, *names: str) -> Counter[tuple[str, ...]]:
    """What a proxy counts, by these labels."""
    made: Counter[tuple[str, ...]] = Counter()
    for sample in samples(lab, pod, REQUESTS):
        made[tuple(sample.labels.get(name, "") for name in names)] += int(sample.value)
    return +made


def test_the_canarys_proxy_counts_copies_as_the_callers_and_the_callers_proxy_does_not(mirrored: Lab) -> None:
    for path in ("/", "/", "/status/503", "/forbidden"):
        assert mirrored.get("client", f"http://reviews{path}").pod in ("reviews-v1", "")
    for method in ("POST", "HEAD"):
        mirrored.get("client", "http://reviews/", method=method)
    by = ("reporter", "source_workload", "source_principal", "request_method", "response_code")
    who = ("destination", "client", f"spiffe://{CLIENT}")
    copies = Counter({(*who, "GET", "200"): 2, (*who, "GET", "503"): 1, (*who, "GET", "403"): 1})
    until(lambda: counted(mirrored, "reviews-v2", *by) == copies)
    until(lambda: counted(mirrored, "reviews-v1", *by) == copies + Counter({(*who, "other", "200"): 2}))
    sent = ("reporter", "destination_version", "request_method")
    until(lambda: counted(mirrored, "client", *sent) == {("source", "v1", ""): 6})
    seen = [
        (each["method"], each["headers"]["host"]) for each in mirrored.requests if each["pod"] == "reviews-v2"
    ]
    assert seen == [("GET", "reviews")] * 3


def test_a_copy_takes_its_own_time_also_when_the_original_has_long_been_answered(mirrored: Lab) -> None:
    answer = mirrored.get("client", "http://reviews/late", headers={"x-sleep": "0.3"})
    assert answer.status == 403
    took = partial(
        total, mirrored, "reviews-v2", f"{DURATIONS}_sum", request_method="GET", response_code="200"
    )
    until(lambda: counted(mirrored, "reviews-v2", "response_code", "response_flags") == {("200", "-"): 1})
    until(lambda: took() > 250)

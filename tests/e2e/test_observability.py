"""Jaeger and Prometheus beside the application: found, scraped, given spans, and waited for by nobody."""

from __future__ import annotations

import secrets
import time
from typing import Any

import httpx
import pytest

from delinkcious.tools import finding
from delinkcious.tools.catalogue import JAEGER, PROMETHEUS
from tests.e2e.installation import Installation, eventually, from_pod
from tests.tools import MADE_WITHIN_S, needed

pytestmark = [pytest.mark.late, pytest.mark.timeout(MADE_WITHIN_S + 300)]

# They start beside everything else, on a machine that may be busy.
THERE_WITHIN_S = 60.0
SCRAPED_WITHIN_S = 60.0


def reached(installation: Installation, name: str) -> str:
    """The address of a tool that runs, as `delinkcious url` says it."""
    eventually(lambda: installation.ready(name), THERE_WITHIN_S, f"{name} runs")
    return installation.told("url", name).strip()


def asked(url: str, **parameters: str) -> Any:
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.get(url, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def queried(url: str, query: str) -> Any:
    """What Prometheus has, once it has something: a target is up a moment before its samples can be found."""
    return eventually(
        lambda: asked(f"{url}/api/v1/query", query=query)["data"]["result"], SCRAPED_WITHIN_S, query
    )


def test_prometheus_reaches_every_process_and_sidecar(installation: Installation) -> None:
    needed(PROMETHEUS)
    url = reached(installation, "prometheus")
    wanted = {("sidecars", pod["name"]) for pod in installation.pods() if pod["admin"]}
    wanted |= {("services", name) for _, name in wanted if not name.startswith("ingressgateway")}
    wanted |= {(job, installation.pod("stores-exporter")["name"]) for job in ("postgres", "redis", "nats")}
    wanted |= {("prometheus", installation.pod("prometheus")["name"])}
    seen: dict[tuple[str, str], str] = {}

    def all_up() -> bool:
        found = asked(f"{url}/api/v1/targets", state="active")["data"]["activeTargets"]
        seen.clear()
        seen.update({(t["labels"]["job"], t["labels"]["pod"]): t["health"] for t in found})
        return wanted <= {target for target, health in seen.items() if health == "up"}

    try:
        eventually(all_up, SCRAPED_WITHIN_S, "every target is up")
    except AssertionError:
        pytest.fail(
            f"{sorted(wanted - {target for target, health in seen.items() if health == 'up'})}: {seen}"
        )
    for name in ("pg_up", "redis_up", "nats_up"):
        [sample] = queried(url, name)
        assert sample["value"][1] == "1", name
    labels = queried(url, 'up{job="services",app="links"}')[0]["metric"]
    assert (labels["namespace"], labels["version"]) == ("delinkcious", "v1")
    kept = asked(f"{url}/api/v1/query", query='count by (__name__) ({job="sidecars",__name__=~"envoy_.*"})')
    assert 5 < len(kept["data"]["result"]) < 40


def test_a_span_that_a_pod_sends_is_found_in_jaeger(installation: Installation) -> None:
    needed(JAEGER)
    url = reached(installation, "jaeger")
    trace = secrets.token_hex(16)
    now = time.time_ns()
    span = {
        "traceId": trace,
        "spanId": secrets.token_hex(8),
        "name": "probe",
        "kind": 1,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1_000_000),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "probe"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    with from_pod(installation.pod("links-v1")) as links:
        sent = links.post("http://jaeger-collector.observability:4318/v1/traces", json=body)
    assert sent.status_code == 200, sent.text

    def found() -> Any:
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.get(f"{url}/api/traces/{trace}")
        return answer.status_code == 200 and answer.json()["data"]

    [kept] = eventually(found, THERE_WITHIN_S, "the trace is there")
    assert [span["operationName"] for span in kept["spans"]] == ["probe"]


def test_what_is_not_there_is_said_and_holds_nobody_up(installation: Installation) -> None:
    status = installation.told("status")
    for tool, word in ((JAEGER, "traces"), (PROMETHEUS, "metrics")):
        [line] = [line for line in status.splitlines() if line.startswith(f"{word} ")]
        if finding.find(tool) is None:
            assert f"waiting for its program: {tool.name}" in line
        else:
            assert "http://127." in line or "not ready" in line or "readiness" in line or "startup" in line

"""Traces of a real installation in a real Jaeger: one tree from the ingress to the followers' timelines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from delinkcious.tools.catalogue import JAEGER
from telemetry.jaeger import MAX_TRACES, Search, open_jaeger
from telemetry.spans import Trace
from tests.conventions import faults
from tests.e2e.installation import PASSWORD, Account, Installation, Json, eventually
from tests.tools import MADE_WITHIN_S, needed

pytestmark = [pytest.mark.late, pytest.mark.timeout(MADE_WITHIN_S + 300)]

WITHIN_S = 60.0
CANARY = "canary-4711"
LINK = {
    "url": f"https://{CANARY}.example/{CANARY}?token={CANARY}",
    "title": CANARY,
    "note": CANARY,
    "tags": [CANARY],
}
TIMELINES = "PIPELINE EVALSHA add_to_timeline"


@pytest.fixture(scope="module")
def jaeger(installation: Installation) -> str:
    """Where it answers."""
    needed(JAEGER)
    pod = eventually(partial(installation.ready, "jaeger"), WITHIN_S, "Jaeger is ready")
    return f"http://{pod['ip']}:16686"


@pytest.fixture(scope="module")
def author(installation: Installation) -> Iterator[Account]:
    """Somebody with two followers, whose saves reach both."""
    author, readers = installation.account(), [installation.account() for _ in range(2)]
    with installation.edge() as edge:
        for reader in readers:
            followed = edge.put(f"/api/v1/following/{author.name}", headers=reader.headers)
            assert followed.is_success, followed.text
        saved = edge.post("/api/v1/links", json={"url": "https://first.example/"}, headers=author.headers)
        assert saved.is_success, saved.text
        for reader in readers:
            eventually(partial(_has_news, edge, reader), WITHIN_S, f"{reader.name} has news")
    yield author


def _has_news(edge: httpx.Client, reader: Account) -> bool:
    answer = edge.get("/api/v1/news", headers=reader.headers)
    return answer.is_success and bool(answer.json()["items"])


def trusting(installation: Installation) -> dict[str, str]:
    """Variables by which a command trusts the installation's certificate."""
    return {"SSL_CERT_FILE": installation.told("ca").strip()}


def traced(installation: Installation, *arguments: str) -> str:
    """What `delinkcious trace` prints; it must succeed."""
    done = installation.run("trace", *arguments, env=trusting(installation))
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


def look(jaeger: str, trace_id: str) -> Trace:
    async def ask() -> Trace | None:
        async with open_jaeger(jaeger) as there:
            return await there.trace(trace_id)

    found = asyncio.run(ask())
    assert found is not None
    return found


def everything(jaeger: str) -> list[Trace]:
    """Whatever Jaeger has of this installation, the newest traces of each service."""

    async def ask() -> list[Trace]:
        async with open_jaeger(jaeger) as there:
            services = await there.services()
            found = [await there.search(Search(service=name, limit=MAX_TRACES)) for name in services]
        return [trace for traces in found for trace in traces]

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def save(installation: Installation, jaeger: str, author: Account) -> Json:
    """What `delinkcious trace` tells of a save by somebody with two followers."""
    told = traced(
        installation,
        f"{installation.url}/api/v1/links",
        *("--jaeger", jaeger, "--server", installation.url, "--wait", "60", "-o", "json"),
        *("-d", json.dumps(LINK), "-H", f"authorization: Bearer {author.token}"),
    )
    document: Json = json.loads(told)
    return document


def names(document: Json, service: str) -> set[str]:
    return {span["name"] for span in document["spans"] if span["service"] == service}


def test_a_save_is_one_tree_from_the_ingress_to_both_timelines(
    save: Json, installation: Installation
) -> None:
    assert save["request"]["status"] == 201
    assert save["whole"]
    ids = {span["span_id"] for span in save["spans"]}
    assert len([span for span in save["spans"] if span["parent_id"] not in ids]) == 1
    assert {"POST /api/v1/links", "INSERT links", "publish events"} <= names(save, "links")
    assert {"process events", TIMELINES} <= names(save, "news")
    (timelines,) = (span for span in save["spans"] if span["name"] == TIMELINES)
    assert timelines["attributes"]["db.operation.batch.size"] == 2
    by_id = {span["span_id"]: span for span in save["spans"]}
    above = []
    span = timelines
    while span is not None:
        above.append(f"{span['service']} {span['name']}")
        span = by_id.get(span["parent_id"])
    assert above[:4] == [
        f"news {TIMELINES}",
        "news process events",
        "links publish events",
        "links POST /api/v1/links",
    ]
    if (installation.checkout / "mesh" / "istio" / "telemetry.yaml").exists():
        proxies = {"ingressgateway.istio-system", "links.delinkcious"}
        assert proxies <= set(save["services"])
        assert {line.split()[0] for line in above[4:]} == proxies
        assert above[-1].startswith("ingressgateway.istio-system ")
    on_path = {each["span_id"] for each in save["critical_path"]}
    assert timelines["span_id"] not in on_path
    assert any(by_id[span_id]["name"] == "INSERT links" for span_id in on_path)


def test_jaegers_api_has_the_same_spans_and_services(save: Json, jaeger: str) -> None:
    found = look(jaeger, save["trace_id"])
    assert len(found.spans) == save["span_count"]
    assert found.services == save["services"]
    assert {span.span_id for span in found.spans} == {span["span_id"] for span in save["spans"]}


def test_the_tree_is_printed_for_people_by_the_id_alone(
    save: Json, installation: Installation, jaeger: str
) -> None:
    printed = traced(installation, save["trace_id"], "--jaeger", jaeger)
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert any("● links" in line and line.endswith("POST /api/v1/links 201") for line in lines), printed
    assert any("news" in line and line.endswith(f"{TIMELINES} 2 at once") for line in lines), printed
    assert f"{jaeger}/trace/{save['trace_id']}" in printed
    assert f"{save['span_count']} spans of {len(save['services'])} services" in printed


def test_the_command_line_asks_as_whoever_is_signed_in(installation: Installation, jaeger: str) -> None:
    account = installation.account()
    signed_in = installation.run(
        *("sign-in", account.name, "--password-stdin", "--server", installation.url),
        typed=PASSWORD,
        env=trusting(installation),
    )
    assert signed_in.returncode == 0, signed_in.stderr
    told = traced(
        installation, "/api/v1/links", *("--server", installation.url, "--jaeger", jaeger, "--wait", "60")
    )
    assert f"as {account.name}: 200 after" in told
    assert "SELECT links" in told


def test_the_trace_of_a_problem_is_found_by_the_id_in_its_answer(
    installation: Installation, jaeger: str, author: Account
) -> None:
    told = json.loads(
        traced(
            installation,
            "/api/v1/links/999999999",
            *("--server", installation.url, "--jaeger", jaeger, "--wait", "60", "-o", "json"),
            *("-H", f"authorization: Bearer {author.token}"),
        )
    )
    assert told["request"]["status"] == 404
    (served,) = (span for span in told["spans"] if span["name"] == "GET /api/v1/links/{link_id}")
    assert (served["error_type"], served["failed"]) == ("not-found", False)
    with installation.edge() as edge:
        problem = edge.get("/api/v1/links/999999999", headers=author.headers).json()
    assert len(problem["trace_id"]) == 32


def test_who_asks_for_a_trace_that_is_not_there_is_told_so(installation: Installation, jaeger: str) -> None:
    began = time.monotonic()
    done = installation.run("trace", "0" * 31 + "1", "--jaeger", jaeger, "--wait", "1")
    assert (done.returncode, time.monotonic() - began < WITHIN_S) == (1, True)
    assert "Jaeger has nothing of" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_span_says_what_is_somebodys_and_all_keep_the_conventions(save: Json, jaeger: str) -> None:
    spans = [span for trace in everything(jaeger) for span in trace.spans]
    assert any(span.trace_id == save["trace_id"] for span in spans)
    assert CANARY not in repr(spans)
    assert PASSWORD not in repr(spans)
    # Those of proxies are named NAME.NAMESPACE, and follow Envoy's older names.
    ours = [span for span in spans if "." not in span.service and span.service != "jaeger"]
    assert not faults(ours)
    assert len({(span.service, span.name) for span in ours}) < 300

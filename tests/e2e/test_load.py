"""A few seconds of load on a real installation: its report is what the gateway counted and Jaeger has."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from delinkcious.tools.catalogue import JAEGER
from mesh.local.runtime.client import Client
from mesh.local.runtime.state import State
from telemetry.jaeger import open_jaeger
from tests.e2e.installation import NAMESPACE, Installation, Json, eventually
from tests.tools import MADE_WITHIN_S, needed

pytestmark = [pytest.mark.late, pytest.mark.timeout(MADE_WITHIN_S + 300)]

READY_WITHIN_S = 60.0
COUNTED_WITHIN_S = 60.0
ACCOUNTS = 2
# Signing up, in, making a token, beginning with links: sent before the load and no part of it.
ENTERING = Counter({"201": 3 * ACCOUNTS, "200": ACCOUNTS})
COUNTED = re.compile(r"^envoy_istio_requests_total\{([^}]*)\} (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
# A signed token, a program's token, what a header shows.
SECRETS = re.compile(r"eyJ[\w-]{10,}|dlk_\w+|Bearer \w|Basic \w|refresh_token\W+\w", re.IGNORECASE)


def counted(installation: Installation) -> Counter[str]:
    """What the gateway has sent on so far, by status."""
    admin = installation.pod("ingressgateway")["admin"]
    with httpx.Client(trust_env=False, timeout=10.0) as machine:
        text = machine.get(f"http://{admin}/stats/prometheus").text
    found: Counter[str] = Counter()
    for labels, number in COUNTED.findall(text):
        said = dict(LABEL.findall(labels))
        if said["reporter"] == "source":
            found[said["response_code"]] += int(float(number))
    return found


class Sent:
    """One `delinkcious load run`: its report, everything it wrote, and what the gateway says of it."""

    def __init__(self, installation: Installation, folder: Path, *options: str) -> None:
        before = counted(installation)
        report = folder / "report"
        shared = ("--accounts", str(ACCOUNTS), "--duration", "3s", "--report", str(report), "-o", "json")
        done = installation.run("load", "run", *options, *shared, "--state", str(installation.state))
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        self.document: Json = json.loads(done.stdout)
        self.written = [done.stdout, done.stderr, *(file.read_text() for file in folder.iterdir())]
        total = int(self.document["total"]["count"])
        self.by_gateway: Counter[str] = Counter()

        def all_counted() -> bool:
            """The gateway counts what is over: a request at times after who asked has its answer."""
            self.by_gateway = counted(installation) - before - ENTERING
            return self.by_gateway.total() >= total

        eventually(all_counted, COUNTED_WITHIN_S, f"the gateway has counted {total} requests")


@pytest.fixture(scope="module")
def jaeger(installation: Installation) -> str:
    needed(JAEGER)
    pod = eventually(partial(installation.ready, "jaeger"), READY_WITHIN_S, "Jaeger is ready")
    return f"http://{pod['ip']}:16686"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("--rate", "12"), id="open"),
        pytest.param(("--users", "6", "--mix"), id="closed", marks=pytest.mark.slow),
    ],
)
def sent(
    installation: Installation,
    jaeger: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Sent]:
    """Both loops."""
    mix = tmp_path_factory.mktemp("mix") / "quick.yaml"
    mix.write_text("journeys: {reader: {weight: 3, think_s: 0.2}, saver: {weight: 1, think_s: 0.2}}")
    options = [*request.param, str(mix)] if request.param[-1] == "--mix" else [*request.param]
    yield Sent(installation, tmp_path_factory.mktemp("report"), *options)


def test_the_report_counts_what_the_gateway_counted(sent: Sent) -> None:
    total = sent.document["total"]
    assert total["count"] == sent.by_gateway.total() > 10
    assert total["succeeded"] == sum(
        number for status, number in sent.by_gateway.items() if status.startswith("2")
    )
    for kind in ("journeys", "requests"):
        assert sum(each["count"] for each in sent.document[kind].values()) == total["count"]
    assert total["traced"] == total["count"]


def test_every_slow_request_has_its_trace_and_says_what_it_waited_for(
    sent: Sent, jaeger: str, installation: Installation
) -> None:
    slowest = sent.document["slowest"]
    assert len(slowest) == 10
    assert [each["took_ms"] for each in slowest] == sorted(
        (each["took_ms"] for each in slowest), reverse=True
    )

    async def known(trace_id: str) -> bool:
        async with open_jaeger(jaeger) as there:
            return await there.trace(trace_id) is not None

    for each in slowest:
        assert asyncio.run(known(each["trace_id"])), each
        assert re.match(r"\d[\d.]* ms of \d[\d.]* ms (in|waited for) ", each["explained"]), each
    console = installation.told("url", "console").strip()
    assert slowest[0]["pages"][0] == f"{console}traces/{slowest[0]['trace_id']}"


def test_cpu_and_memory_are_told_of_services_sidecars_and_stores(sent: Sent) -> None:
    kinds = {each["kind"] for each in sent.document["processes"]}
    assert {"service", "sidecar", "gateway", "store", "mesh", "telemetry"} <= kinds
    names = {each["name"] for each in sent.document["processes"]}
    assert {"links-v1", "links-v1 sidecar", "ingressgateway", "PostgreSQL", "NATS", "Redis"} <= names
    links = next(each for each in sent.document["processes"] if each["name"] == "links-v1")
    assert links["cpu_s"] > 0
    assert links["pss_bytes"] > 2**20


def test_nothing_secret_is_written(sent: Sent) -> None:
    for text in sent.written:
        assert not SECRETS.search(text)


def test_background_traffic_comes_and_goes_with_its_pods_and_its_people_come_back(
    installation: Installation,
) -> None:
    def scale(replicas: int) -> None:
        target = {"namespace": NAMESPACE, "name": "canary-load", "replicas": replicas}
        Client(State(installation.state)).post("/scale", target)
        assert sum(pod["workload"] == "canary-load" for pod in installation.every_pod()) == replicas

    strangers = []
    for _ in range(2):
        before = counted(installation)
        scale(1)
        try:
            eventually(partial(have_read, installation, before), READY_WITHIN_S, "people read")
        finally:
            scale(0)
        sent = counted(installation) - before
        # 0: nobody waited for the answer. What was on its way when the pod had to end came back.
        assert not [status for status in sent if status == "0" or status.startswith("5")], sent
        strangers.append(sent["401"])
    assert strangers[1] == 0, "who has an account needs no other"


def have_read(installation: Installation, before: Counter[str]) -> bool:
    """Whether there were more answers since than signing in takes."""
    return (counted(installation) - before)["200"] > 30


def test_a_capacity_run_ends_with_a_verdict(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("capacity")
    bounds = ("--from", "10", "--to", "20", "--factor", "2", "--step", "1", "--refine", "0", "--within", "10")
    written = ("--accounts", "1", "--report", str(folder / "capacity"), "-o", "json")
    done = installation.run("load", "capacity", *bounds, *written, "--state", str(installation.state))
    found = json.loads(done.stdout)
    assert len(found["points"]) == 2, done.stderr
    assert found["verdict"]["knee"] is None
    assert (folder / "capacity.html").read_text().count("<svg") == 2

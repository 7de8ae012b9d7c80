"""Each fault of the catalogue: which alert tells of it, that no other page comes, and that all recovers."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import httpx
import psutil
import pytest

from delinkcious.faults import records
from delinkcious.faults.catalogue import FAULTS
from delinkcious.faults.model import Fault, Trail
from delinkcious.faults.records import Record
from delinkcious.tools.catalogue import JAEGER, PROMETHEUS
from mesh.local.runtime.state import State
from tests.e2e.installation import Account, Installation, Json, eventually
from tests.e2e.prometheus import Prometheus
from tests.e2e.traffic import everything
from tests.tools import MADE_WITHIN_S, needed

log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows the table

SCRAPED_WITHIN_S = 120.0
# Pages of the second burn rate look back for a minute and a half.
QUIET_WITHIN_S = 240.0
RATE = 6.0
QUICK_WITHIN_S = 60.0
SHOWN_WITHIN_S = 90.0


@pytest.fixture(scope="module")
def prometheus(installation: Installation) -> Iterator[Prometheus]:
    """The installation's, while people use it."""
    needed(PROMETHEUS)
    needed(JAEGER)
    eventually(lambda: installation.ready("prometheus"), SCRAPED_WITHIN_S, "Prometheus runs")
    asked = Prometheus(installation.told("url", "prometheus").strip())
    eventually(lambda: asked.has_data('up{job="services"} == 1'), SCRAPED_WITHIN_S, "services are scraped")
    with contextlib.closing(asked.client), everything(installation, rate=RATE):
        served = 'sum(rate(istio_requests_total{destination_service_name="links"}[15s])) > 1'
        eventually(lambda: asked.has_data(served), SCRAPED_WITHIN_S, "requests are counted")
        yield asked


@pytest.fixture(autouse=True)
def mended(installation: Installation) -> Iterator[None]:
    """Whatever becomes of a test, nothing stays broken."""
    yield
    installation.told("fault", "clear")


@dataclass(frozen=True)
class Firing:
    """What fires at one moment: alerts by name, and who is called, as `ALERT SERVICE`."""

    alerts: frozenset[str]
    pages: frozenset[str]


def firing(prometheus: Prometheus) -> Firing:
    answer = prometheus.client.get("/api/v1/query", params={"query": 'ALERTS{alertstate="firing"}'}).json()
    assert answer["status"] == "success", answer
    found = [one["metric"] for one in answer["data"]["result"]]
    called = [f"{one['alertname']} {one.get('service', '')}" for one in found if one["severity"] == "page"]
    # A ticket about an objective looks back over days: it outlasts its cause, as it should.
    lasting = [one for one in found if one["severity"] == "ticket" and "slo" in one]
    return Firing(frozenset(one["alertname"] for one in found if one not in lasting), frozenset(called))


def until_they_fire(
    prometheus: Prometheus, fault: Fault, alerts: set[str], before: frozenset[str], within_s: float
) -> float:
    """After how many seconds all of these have fired; nobody may be called for anything new besides."""
    began = time.monotonic()
    seen: set[str] = set()

    def fired() -> bool:
        now = firing(prometheus)
        assert now.pages <= set(fault.pages) | before
        seen.update(now.alerts & alerts)
        return seen == alerts

    eventually(fired, within_s, f"{fault.name} raises {alerts}")
    return time.monotonic() - began


def until_they_end(prometheus: Prometheus, fault: Fault, before: frozenset[str]) -> float:
    """After how many seconds the fault's alerts have ended; nobody may be called for anything new."""
    began = time.monotonic()

    def ended() -> bool:
        now = firing(prometheus)
        assert now.pages <= set(fault.pages) | before
        return not now.alerts & set(fault.alerts)

    eventually(ended, QUIET_WITHIN_S, f"the alerts of {fault.name} end")
    return time.monotonic() - began


def recovered(installation: Installation) -> bool:
    """Whether every pod is ready and everything that users do works again."""
    try:
        account = installation.account()
    except (AssertionError, httpx.TransportError):  # nobody can sign up yet
        return False
    with installation.edge() as edge:
        saved = edge.post("/api/v1/links", json={"url": "https://example.org/"}, headers=account.headers)
        read = [
            edge.get(f"/api/v1/{what}", headers=account.headers) for what in ("links", "news", "following")
        ]
    return all(answer.is_success for answer in (saved, *read)) and all(
        pod["ready"] for pod in installation.pods()
    )


def meant_by(span: Json) -> str:
    """The service that a span tells of; a proxy that did not get through tells of whom it called."""
    told = span["attributes"]
    if told.get("response_flags", "-") != "-" and (called := told.get("upstream_cluster")):
        return str(called).rpartition("|")[2].partition(".")[0]
    return str(span["service"]).partition(".")[0]


def pointed_to(document: Json) -> str:
    """The service that a trace shows to somebody who looks for the culprit."""
    spans = [span for span in document["spans"] if not span["detached"]]
    failed = [span for span in spans if span["failed"]]
    causes = [span for span in failed if all(span["span_id"] != below["parent_id"] for below in failed)]
    if causes:
        return meant_by(min(causes, key=lambda span: span["start_ms"]))
    spent: Counter[str] = Counter()
    for span in spans:
        spent[meant_by(span)] += span["path_ms"]
    [(found, _)] = spent.most_common(1)
    return found


def a_trace_points_to(installation: Installation, account: Account, trail: Trail) -> bool:
    jaeger = installation.told("url", "jaeger").strip()
    where = ("--server", installation.url, "--jaeger", jaeger, "--wait", "30", "-o", "json")
    header = ("-H", f"authorization: Bearer {account.token}")
    env = {"SSL_CERT_FILE": installation.told("ca").strip()}
    done = installation.run("trace", f"{installation.url}{trail.path}", *where, *header, env=env)
    if done.returncode:
        log.info("no trace: %s", done.stderr)
        return False
    document = json.loads(done.stdout)
    found = pointed_to(document)
    log.info("%s answered %s, points to %s", trail.path, document["request"]["status"], found)
    return found == trail.service


def held(installation: Installation, fault: Fault) -> Record:
    record = records.read(State(installation.state), fault.name)
    assert record is not None
    return record


@pytest.mark.slow
@pytest.mark.late
@pytest.mark.timeout(MADE_WITHIN_S + 300)
def test_an_aborting_route_is_told_at_once_and_cleared_also_when_its_holder_was_killed(
    installation: Installation, prometheus: Prometheus
) -> None:
    others = installation.told("mesh", "get", "overrides", "-o", "json")  # what a rollout has left
    fault = FAULTS["abort"]
    before = firing(prometheus).pages
    told = installation.told("fault", "inject", fault.name, "--for", "600")
    assert "delinkcious fault clear abort" in told
    until_they_fire(prometheus, fault, {"FaultInjected"}, before, QUICK_WITHIN_S)

    refused = installation.run("fault", "inject", "delay", "--state", str(installation.state))
    assert refused.returncode == 1
    assert "virtualservice/links-routes in delinkcious is held over the files" in refused.stderr

    psutil.Process(held(installation, fault).pid).kill()
    eventually(lambda: not held(installation, fault).held, QUICK_WITHIN_S, "its holder has ended")
    assert "left behind" in installation.told("fault", "list")
    assert installation.told("fault", "clear", "abort") == "abort is cleared\n"
    assert installation.told("fault", "clear", "abort") == "abort is not injected.\n"
    assert "left behind" not in installation.told("fault", "list")
    assert installation.told("mesh", "get", "overrides", "-o", "json") == others
    eventually(lambda: recovered(installation), QUICK_WITHIN_S, "everything works again")


@pytest.mark.slow
@pytest.mark.late
@pytest.mark.timeout(MADE_WITHIN_S + 300)
def test_a_fault_ends_by_itself(installation: Installation, prometheus: Prometheus) -> None:
    installation.told("fault", "inject", "redis-down", "--for", "1")
    noted = State(installation.state)
    eventually(lambda: records.read(noted, "redis-down") is None, QUICK_WITHIN_S, "it is over")
    eventually(lambda: recovered(installation), QUICK_WITHIN_S, "everything works again")


@pytest.mark.slow
@pytest.mark.timeout(MADE_WITHIN_S + 900)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_raises_its_alert_and_no_other_page(
    installation: Installation, prometheus: Prometheus, fault: Fault
) -> None:
    # What outlasts the fault before, which may be a page, is not this one's.
    until_they_end(prometheus, fault, firing(prometheus).pages)
    before = firing(prometheus).pages
    account = installation.account()
    installation.told("fault", "inject", fault.name)
    fired_s = until_they_fire(prometheus, fault, set(fault.alerts), before, fault.within_s)
    if fault.trail is not None:
        shown = partial(a_trace_points_to, installation, account, fault.trail)
        eventually(shown, SHOWN_WITHIN_S, f"a trace points to {fault.trail.service}")
    called = firing(prometheus).pages - before
    installation.told("fault", "clear", fault.name)
    cleared_s = until_they_end(prometheus, fault, before)
    eventually(lambda: recovered(installation), QUIET_WITHIN_S, "everything works again")
    row = (fault.name, ", ".join(fault.alerts), fired_s, cleared_s, ", ".join(called) or "nobody")
    log.info("| %s | %s | %.0f | %.0f | %s |", *row)


@pytest.mark.slow
@pytest.mark.timeout(QUIET_WITHIN_S + 300)
def test_every_page_ends_after_the_faults(installation: Installation, prometheus: Prometheus) -> None:
    eventually(lambda: not firing(prometheus).pages, QUIET_WITHIN_S, "nobody is called any more")
    assert recovered(installation)

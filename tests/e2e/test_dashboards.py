"""Every query of every panel and every rule on the running Prometheus: there is data, and nothing fails."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from telemetry.grafana.queries import panel_queries, rules
from tests.e2e.installation import Account, Installation, eventually
from tests.e2e.prometheus import Prometheus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Rates need three scrapes, shares of objectives some evaluations; both come every five seconds here.
WITHIN_S = 120.0
EVALUATED_WITHIN_S = 60.0
WINDOW = "10m"
ROUNDS = 5

# Panels that have nothing to show as long as nothing is wrong or nobody has asked for it.
MAY_BE_EMPTY = {
    "overview: Alerts (A)": "a table of what is firing",
    "slo: link-checker-availability: 99 %: Budget left (A)": "no form has asked for a page",
    **{
        f"slo: link-checker-availability: 99 %: Burn rate ({ref})": "no form has asked for a page"
        for ref in "ABCDEFG"
    },
}


def exercise(edge: httpx.Client, writer: Account, reader: Account) -> None:
    """A little of everything that users do: save, list, search, follow, read news, sign in, fail."""
    mine, theirs = writer.headers, reader.headers
    edge.put(f"/api/v1/following/{writer.name}", headers=theirs)
    for number in range(5):
        url = f"https://example.org/{time.time_ns()}/{number}"
        saved = edge.post("/api/v1/links", headers=mine, json={"url": url, "tags": ["t"]})
        assert saved.status_code in (200, 201), saved.text
        assert edge.get("/api/v1/links?limit=5", headers=mine).status_code == 200
        assert edge.get("/api/v1/news", headers=theirs).status_code == 200
        assert edge.get("/api/v1/following", headers=theirs).status_code == 200
        assert edge.get("/api/v1/links/0", headers=mine).status_code == 404
        assert edge.get("/").status_code in (200, 303)
        edge.post("/api/v1/sessions", json={"username": writer.name, "password": "wrong"})


@pytest.fixture(scope="module")
def prometheus(installation: Installation) -> Iterator[Prometheus]:
    done = installation.run("url", "prometheus", "--state", str(installation.state))
    if done.returncode:
        pytest.skip(f"no Prometheus here: {done.stderr.strip()}")
    asked = Prometheus(done.stdout.strip())
    eventually(lambda: asked.has_data('up{job="services"} == 1'), WITHIN_S, "services are scraped")
    writer, reader = installation.account(), installation.account()
    with installation.edge() as edge:
        for _ in range(ROUNDS):
            before = time.monotonic()
            exercise(edge, writer, reader)
            # Rates rise between scrapes, so what is done has to be spread over some.
            eventually(lambda at=before: time.monotonic() > at + 5, WITHIN_S, "the next scrape")  # type: ignore[misc]
    yield asked
    asked.client.close()


def test_every_panel_has_data(prometheus: Prometheus) -> None:
    waiting = {query.name: query.asked(WINDOW) for query in panel_queries() if query.name not in MAY_BE_EMPTY}
    total = len(waiting)

    def none_left() -> bool:
        for name, query in list(waiting.items()):
            if prometheus.has_data(query):
                del waiting[name]
        return not waiting

    try:
        eventually(none_left, WITHIN_S, "every panel has data")
    except AssertionError:
        pytest.fail(f"{len(waiting)} of {total} without data:\n" + "\n".join(map(str, waiting.items())))


def test_panels_that_may_be_empty_exist_and_are_understood(prometheus: Prometheus) -> None:
    queries = {query.name: query.asked(WINDOW) for query in panel_queries()}
    for name in MAY_BE_EMPTY:
        prometheus.has_data(queries[name])


def test_prometheus_runs_the_committed_rules_and_none_fails(prometheus: Prometheus) -> None:
    wanted = sorted(rule.get("alert") or rule["record"] for _, rule in rules("rules-local"))

    def evaluated() -> bool:
        found = prometheus.rules()
        return bool(found) and all(rule["health"] != "unknown" for rule in found)

    eventually(evaluated, EVALUATED_WITHIN_S, "every rule has been evaluated")
    found = prometheus.rules()
    assert sorted(rule["name"] for rule in found) == wanted
    assert [(rule["name"], rule["lastError"]) for rule in found if rule["health"] != "ok"] == []


def test_nobody_is_called_while_all_is_well(prometheus: Prometheus) -> None:
    calls = 'ALERTS{alertstate="firing", severity="page"}'
    eventually(lambda: not prometheus.has_data(calls), EVALUATED_WITHIN_S, "nobody is called")

"""What was sent, and what the service, the gateway and the sidecar say of it in Prometheus: the same."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from delinkcious.tools.catalogue import PROMETHEUS
from tests.e2e.installation import Installation, eventually
from tests.e2e.prometheus import Prometheus
from tests.tools import MADE_WITHIN_S, needed

pytestmark = [pytest.mark.late, pytest.mark.timeout(MADE_WITHIN_S + 300)]

RUNS_WITHIN_S = 60.0
# Envoy shows histograms up to five seconds late, and a scrape is as long away; the machine may be busy.
SCRAPED_WITHIN_S = 60.0

MARKER = 415
REFUSED = "403"
FROM_THE_EDGE = 'source_workload="ingressgateway",destination_service_name="links"'
# Who counts, by which label, and what.
SERVICE = "the service"
COUNTED = {
    SERVICE: (
        "status",
        'http_server_request_duration_seconds_count{app="links",route=~"/api/v1/links.*"}',
    ),
    "the gateway": ("response_code", f'istio_requests_total{{reporter="source",{FROM_THE_EDGE}}}'),
    "its sidecar": ("response_code", f'istio_requests_total{{reporter="destination",{FROM_THE_EDGE}}}'),
    "the gateway's histogram": (
        "response_code",
        f'istio_request_duration_milliseconds_count{{reporter="source",{FROM_THE_EDGE}}}',
    ),
}

_log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def prometheus(installation: Installation) -> Iterator[Prometheus]:
    needed(PROMETHEUS)
    eventually(lambda: installation.ready("prometheus"), RUNS_WITHIN_S, "Prometheus runs")
    asked = Prometheus(installation.told("url", "prometheus").strip())
    up = 'up{app=~"links|ingressgateway",job=~"services|sidecars"} == 1'
    eventually(lambda: sum(asked.by("app", up).values()) == 3, SCRAPED_WITHIN_S, "all are scraped")
    yield asked
    asked.client.close()


def counted(prometheus: Prometheus) -> dict[str, Counter[str]]:
    return {who: prometheus.by(label, query) for who, (label, query) in COUNTED.items()}


def send(edge: httpx.Client, headers: dict[str, str]) -> Counter[str]:
    """Requests with known outcomes, by status."""
    site = f"https://{secrets.token_hex(4)}.example"
    answers = [
        *(edge.get("/api/v1/links", headers=headers) for _ in range(7)),
        *(edge.post("/api/v1/links", headers=headers, json={"url": f"{site}/{n}"}) for n in range(5)),
        *(edge.get("/api/v1/links/0", headers=headers) for _ in range(3)),
        *(edge.post("/api/v1/links", headers=headers, json={"title": "no address"}) for _ in range(2)),
        *(edge.get("/api/v1/links") for _ in range(4)),
    ]
    return Counter(str(answer.status_code) for answer in answers)


def settled(prometheus: Prometheus, edge: httpx.Client, headers: dict[str, str]) -> dict[str, Counter[str]]:
    """What is counted now: once a request of a kind of its own is seen, so is all that came before it."""
    earlier = counted(prometheus)
    marker = edge.post("/api/v1/links", headers={**headers, "content-type": "text/plain"}, content=b"{}")
    assert marker.status_code == MARKER
    found: dict[str, Counter[str]] = {}

    def seen() -> bool:
        found.update(counted(prometheus))
        return all(found[who][str(MARKER)] > numbers[str(MARKER)] for who, numbers in earlier.items())

    eventually(seen, SCRAPED_WITHIN_S, "everybody has counted what came before")
    return found


def test_everybody_counts_what_was_sent(installation: Installation, prometheus: Prometheus) -> None:
    account = installation.account()
    with installation.edge() as edge:
        # A listener that was just replaced takes along what only it has counted: let its follower count each.
        send(edge, account.headers)
        before = settled(prometheus, edge, account.headers)
        sent = send(edge, account.headers)
    assert sent == {"200": 7, "201": 5, "404": 3, "400": 2, REFUSED: 4}
    # The sidecar refuses who has no token: the service never hears of it.
    heard = Counter({status: number for status, number in sent.items() if status != REFUSED})
    risen: dict[str, Counter[str]] = {}

    def all_equal() -> bool:
        risen.update({who: now - before[who] for who, now in counted(prometheus).items()})
        return all(seen == (heard if who == SERVICE else sent) for who, seen in risen.items())

    try:
        eventually(all_equal, SCRAPED_WITHIN_S, "everybody counts what was sent")
    except AssertionError:
        pytest.fail(f"sent {dict(sent)}, counted {risen}")
    for who, seen in {"sent": sent, **risen}.items():
        _log.info(
            "%-24s %s", who, "  ".join(f"{status}: {number}" for status, number in sorted(seen.items()))
        )

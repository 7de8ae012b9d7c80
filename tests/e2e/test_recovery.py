"""What is killed comes back by itself, and no acknowledged save is lost or doubled."""

from __future__ import annotations

import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from tests.e2e.installation import NAMESPACE, Account, Installation, eventually, pid_of
from tests.e2e.traffic import PASSING, Saves, all_links, saving, steady

pytestmark = pytest.mark.timeout(300)

BACK_WITHIN_S = 60.0
GONE_WITHIN_S = 60.0
SAVES_AFTER = 40
log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows the figures


def service(installation: Installation) -> int:
    return pid_of(installation.pod("links-v1"), "links")


def sidecar(installation: Installation) -> int:
    return pid_of(installation.pod("links-v1"), "istio-proxy")


def gateway(installation: Installation) -> int:
    return pid_of(installation.pod("ingressgateway"), "istio-proxy")


def postmaster(installation: Installation) -> int:
    """PostgreSQL writes its own pid, and that of nobody else, into the first line of this file."""
    file = installation.state / "processes" / "postgres" / "data" / "postmaster.pid"
    return int(file.read_text().split("\n", 1)[0])


VICTIMS: dict[str, Callable[[Installation], int]] = {
    "the process of links": service,
    "the sidecar of links": sidecar,
    "the gateway": gateway,
    "PostgreSQL": postmaster,
}


def more(saves: Saves, count: int) -> None:
    """Wait for so many more acknowledged saves."""
    seen = len(saves.acknowledged)
    eventually(lambda: len(saves.acknowledged) >= seen + count, BACK_WITHIN_S, "saves are acknowledged")


def each_is_there_once(edge: httpx.Client, account: Account, saves: Saves) -> None:
    kept = Counter((link["url"], link["version"]) for link in all_links(edge, account))
    assert saves.refused == []
    assert [url for url in saves.acknowledged if kept[url, 1] != 1] == []
    assert set(kept.values()) == {1}


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_killed_under_load_comes_back_and_every_acknowledged_save_is_there_once(
    installation: Installation, account: Account, edge: httpx.Client, victim: str
) -> None:
    find = VICTIMS[victim]
    with saving(installation, account) as saves:
        more(saves, SAVES_AFTER)
        killed = psutil.Process(find(installation))
        began = time.monotonic()
        killed.kill()
        eventually(lambda: not killed.is_running(), GONE_WITHIN_S, "it is dead")
        more(saves, SAVES_AFTER)
        took_s = time.monotonic() - began
        retries = saves.retries

    log.info("%s: %s saves, %s retries, back after %.2f s", victim, len(saves.acknowledged), retries, took_s)
    assert find(installation) != killed.pid
    eventually(lambda: all(pod["ready"] for pod in installation.pods()), BACK_WITHIN_S, "all pods are ready")
    each_is_there_once(edge, account, saves)


@pytest.fixture
def afterwards_up(installation: Installation) -> Iterator[None]:
    """The other tests find the installation running, whatever happens here."""
    yield
    installation.up()


@pytest.mark.usefixtures("afterwards_up")
def test_after_a_kill_of_the_supervisor_nothing_runs_on_and_up_recovers_every_acknowledged_save(
    installation: Installation, account: Account
) -> None:
    # a gateway that has no keys yet refuses every token
    with saving(installation, account, again=PASSING | {401}) as saves:
        more(saves, SAVES_AFTER)
        killed = psutil.Process(int((installation.state / "lock").read_text()))
        began = time.monotonic()
        killed.kill()
        eventually(lambda: not installation.processes(), GONE_WITHIN_S, "no process of the mesh is left")
        gone_s = time.monotonic() - began
        installation.up()
        up_s = time.monotonic() - began - gone_s
        more(saves, SAVES_AFTER)

    log.info("gone after %.2f s, up again after %.2f s, %s retries", gone_s, up_s, saves.retries)
    with installation.edge() as edge:
        each_is_there_once(edge, account, saves)


@pytest.mark.parametrize("deployment", ["links-v1", pytest.param("users-v1", marks=pytest.mark.slow)])
def test_a_rolling_restart_under_load_fails_no_request(
    installation: Installation, account: Account, deployment: str
) -> None:
    before = installation.pod(deployment)

    with steady(installation, account, rate=50) as tally:
        eventually(lambda: tally.outcomes["200"] > 50, BACK_WITHIN_S, "the load runs")
        installation.told("mesh", "restart", f"deployment/{deployment}", "-n", NAMESPACE)
        answered = tally.outcomes["200"]
        eventually(lambda: tally.outcomes["200"] > answered + 50, BACK_WITHIN_S, "the load goes on")

    log.info("%s: %s, slowest answer %.0f ms", deployment, dict(tally.outcomes), tally.slowest_s * 1000)
    assert installation.pod(deployment)["name"] != before["name"]
    assert tally.failures == {}


def test_a_process_that_ends_by_itself_is_started_again_and_no_acknowledged_save_is_lost(
    installation: Installation, account: Account, edge: httpx.Client
) -> None:
    with saving(installation, account) as saves:
        more(saves, SAVES_AFTER)
        asked = psutil.Process(service(installation))
        asked.send_signal(signal.SIGTERM)
        eventually(lambda: not asked.is_running(), BACK_WITHIN_S, "it has ended")
        more(saves, SAVES_AFTER)

    each_is_there_once(edge, account, saves)

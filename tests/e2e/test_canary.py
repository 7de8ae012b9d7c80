"""Rollouts of a real service on the local mesh: real proxies, real traffic, a table of what came of it."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from delinkcious.canary.replaying import replay
from delinkcious.tools.catalogue import PROMETHEUS
from mesh.canary import home
from mesh.canary.runs.folder import Folder
from mesh.canary.runs.journal import Overwritten, Scraped, Written, events
from mesh.canary.runs.run import OVERWRITTEN, Run, fold
from mesh.local.runtime.state import State
from tests.e2e.installation import Installation, eventually
from tests.e2e.traffic import PAGE, Tally, steady
from tests.tools import MADE_WITHIN_S, needed

RATE = 100.0
ENDED_WITHIN_S = 900.0
LOOK_S = 0.5
FAULTY = "python -m tests.e2e.faulty"
SPLITS, POLICY, MANIFESTS = "mesh/splits", "mesh/istio", "helm/local.yaml"
log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows the table


@dataclass
class Rollouts:
    """One service's runs, as a person drives them."""

    installation: Installation
    faults: Path
    revision: str

    @property
    def folder(self) -> Folder:
        return home.folder(State(self.installation.state))

    def start(self, *arguments: str, command: str = FAULTY, **spec: Any) -> Path:
        """Begin a run of the faulty service; `spec` is laid over the rollout in the repository."""
        document = yaml.safe_load((Path("mesh/canary/rollouts") / "links.yaml").read_text())
        for name, value in spec.items():
            old = document["spec"].get(name)
            document["spec"][name] = {**old, **value} if isinstance(old, dict) else value
        file = self.installation.folder / "rollout.yaml"
        file.write_text(yaml.safe_dump(document))
        # By its name: the process runs in that folder, and a path below /tmp would mean its own /tmp.
        sets = ["--set", f"env.FAULTS={self.faults.name}", "--set", f"env.REVISION={self.revision}"]
        self.installation.told(
            "canary", "start", "links", "-f", str(file), "--command", command, *sets, *arguments
        )
        return self.folder.find("links")

    def say(self, *words: str) -> None:
        self.installation.told("canary", *words)

    def says(self, **faults: float) -> None:
        """From now on the canary does this."""
        new = self.faults.with_suffix(".new")
        new.write_text(json.dumps({"of": self.revision, **faults}))
        new.replace(self.faults)

    def controller(self) -> psutil.Process | None:
        """The process that drives, when there is one."""
        for process in self.installation.processes():
            try:
                if "mesh.canary" in process.cmdline():
                    return process
            except psutil.Error:
                continue
        return None


def until(path: Path, reached: Callable[[Run], bool], within_s: float = ENDED_WITHIN_S) -> Run:
    """The run, when it has come so far, or has ended."""
    deadline = time.monotonic() + within_s
    while True:
        run = fold(events(path))
        if reached(run) or run.ended:
            return run
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {run.stage}: {run.decision}"
        time.sleep(LOOK_S)


def ended(path: Path) -> Run:
    return until(path, lambda run: run.ended)


def weights(path: Path) -> list[tuple[float, int]]:
    return [(event.at, event.percent) for event in events(path) if isinstance(event, Written)]


def tell(name: str, path: Path) -> tuple[float, int]:
    """A row of the table: seconds from the first weight to the last, and the canary's errors."""
    run, written = fold(events(path)), weights(path)
    raised = [at for at, percent in written if percent]
    took_s = written[-1][0] - raised[0] if raised else 0.0
    harmed = run.totals[1].errors
    log.info("| %s | %s | %.0f | %d | %s |", name, run.verdict, took_s, harmed, run.reason)
    replayed = replay(path, restart_every=7)
    assert replayed.identical, replayed.first
    return took_s, harmed


@pytest.fixture
def rollouts(installation: Installation) -> Iterator[Rollouts]:
    made = Rollouts(installation, installation.checkout / "faults.json", secrets.token_hex(4))
    made.says()
    yield made
    if made.folder.unfinished():
        made.say("abort", "links")
        eventually(lambda: not made.folder.unfinished(), 120, "the run is taken back")


@pytest.fixture
def prometheus(installation: Installation) -> None:
    needed(PROMETHEUS)
    eventually(lambda: installation.ready("prometheus"), 60, "Prometheus runs")


@pytest.fixture
def traffic(installation: Installation) -> Iterator[Tally]:
    with steady(installation, installation.account(), rate=RATE) as tally:
        yield tally


def test_errors_take_a_canary_back_by_what_the_proxies_count(rollouts: Rollouts, traffic: Tally) -> None:
    rollouts.says(errors=0.2)
    soon = {"source": "envoy", "scrapeIntervalS": 1, "warmUpS": 4}
    path = rollouts.start(analysis=soon, timeouts={"drainS": 2})
    run = ended(path)
    tell("20 % errors, by Envoy", path)
    assert run.verdict == "rolled_back"
    assert "worse than stable" in run.reason
    assert weights(path)[-1][1] == 0
    eventually(lambda: rollouts.controller() is None, 30, "nobody drives when there is nothing to drive")


@pytest.mark.slow
def test_copies_take_a_canary_back_before_anybody_was_answered_by_it(
    rollouts: Rollouts, traffic: Tally
) -> None:
    rollouts.says(errors=0.2)
    soon = {"source": "envoy", "scrapeIntervalS": 1, "warmUpS": 4}
    path = rollouts.start("--mirror", analysis=soon, timeouts={"drainS": 2})
    run = ended(path)
    tell("20 % errors of copies, by Envoy", path)
    assert run.verdict == "rolled_back"
    assert "worse than stable" in run.reason
    assert {percent for _, percent in weights(path)} == {0}
    assert run.totals[1].requests == 0
    assert not traffic.failures


@pytest.mark.slow
@pytest.mark.timeout(MADE_WITHIN_S + 1200)
@pytest.mark.usefixtures("prometheus", "traffic")
class TestLive:
    """Minutes each."""

    def test_a_healthy_canary_is_promoted_within_six_minutes(self, rollouts: Rollouts) -> None:
        path = rollouts.start()
        run = ended(path)
        took_s, _ = tell("healthy", path)
        assert run.verdict == "promoted"
        assert took_s <= 360
        assert run.last_at - run.began.at <= 360

    def test_copies_prove_a_canary_and_then_it_takes_steps(self, rollouts: Rollouts) -> None:
        path = rollouts.start("--mirror")
        run = ended(path)
        tell("healthy, by copies first", path)
        assert (run.verdict, run.mirrored) == ("promoted", True)

    def test_blue_becomes_green_at_once(self, rollouts: Rollouts, traffic: Tally) -> None:
        path = rollouts.start("--blue-green")
        run = ended(path)
        tell("healthy, blue/green", path)
        assert run.verdict == "promoted"
        assert [percent for _, percent in weights(path)] == [0, 100]
        assert not traffic.failures

    def test_people_stay_with_their_version(self, rollouts: Rollouts, installation: Installation) -> None:
        path = rollouts.start(affinity={}, steps=[25])
        until(path, lambda run: run.percent >= 25)
        rollouts.say("pause", "links")
        account = installation.account()
        with ExitStack() as stack:
            people = [stack.enter_context(installation.edge()) for _ in range(60)]
            answered = [[one.get(PAGE, headers=account.headers) for one in people] for _ in range(4)]
        by = [[answer.headers.get("x-revision") == rollouts.revision for answer in turn] for turn in answered]
        assert by[0] == by[1] == by[2] == by[3]
        assert 0 < sum(by[0]) < 60
        rollouts.say("resume", "links")
        run = ended(path)
        tell("healthy, people stay", path)
        assert run.verdict == "promoted"

    def test_five_percent_of_errors_are_stopped_within_90_seconds(self, rollouts: Rollouts) -> None:
        rollouts.says(errors=0.05)
        path = rollouts.start()
        run = ended(path)
        took_s, _ = tell("5 % errors", path)
        assert run.verdict == "rolled_back"
        assert took_s <= 90

    def test_slow_answers_are_stopped(self, rollouts: Rollouts) -> None:
        rollouts.says(slower=4)
        path = rollouts.start()
        run = ended(path)
        tell("latency x4", path)
        assert run.verdict == "rolled_back"
        assert "latency" in run.reason

    def test_what_lies_between_two_edges_of_the_histogram_is_not_promoted(self, rollouts: Rollouts) -> None:
        """Two milliseconds become three: Envoy's buckets end at 1 and 5, and few answers take longer."""
        rollouts.says(slower=1.5)
        path = rollouts.start(timeouts={"stepS": 180})
        run = ended(path)
        tell("latency x1.5", path)
        assert run.verdict in ("rolled_back", "inconclusive")
        assert run.percent == 0

    def test_errors_that_begin_with_a_quarter_of_the_traffic_are_stopped(self, rollouts: Rollouts) -> None:
        path = rollouts.start()
        until(path, lambda run: run.percent >= 25)
        rollouts.says(errors=0.05)
        run = ended(path)
        tell("5 % errors from 25 %", path)
        assert run.verdict == "rolled_back"

    def test_a_canary_that_breaks_the_shared_database_is_not_promoted(self, rollouts: Rollouts) -> None:
        path = rollouts.start()
        until(path, lambda run: run.percent >= 5)
        rollouts.says(locks=1)
        run = ended(path)
        tell("breaks the database", path)
        phases = [event.decision.phase for event in events(path) if isinstance(event, Scraped)]
        assert "aside" in phases
        assert run.verdict == "inconclusive"

    def test_three_minutes_without_prometheus_blame_nobody(self, rollouts: Rollouts) -> None:
        path = rollouts.start()
        until(path, lambda run: run.percent >= 5)
        scale = ("mesh", "scale", "deployment/prometheus", "-n", "observability", "--replicas")
        rollouts.installation.told(*scale, "0")
        try:
            silent = time.time()
            run = until(path, lambda run: run.last_at > silent + 180, 300)
            assert run.decision is not None
            assert run.decision.phase == "holding"
            # What was scraped just before may still have been a proof.
            assert [at for at, _ in weights(path) if at > silent + 20] == []
        finally:
            rollouts.installation.told(*scale, "1")
        run = ended(path)
        tell("Prometheus dead for 3 minutes", path)
        assert run.verdict == "promoted"

    def test_weights_that_a_person_overwrites_are_set_right_once(self, rollouts: Rollouts) -> None:
        path = rollouts.start()
        run = until(path, lambda run: run.percent >= 5)
        self.overwrite(rollouts, run, 40)
        run = until(path, lambda run: run.overwritten >= 1 and run.percent < 40)
        assert not run.paused
        self.overwrite(rollouts, run, 45)
        run = until(path, lambda run: run.paused == OVERWRITTEN, 60)
        assert sum(isinstance(event, Overwritten) for event in events(path)) == 2
        rollouts.say("abort", "links")
        run = ended(path)
        tell("overwritten by a person", path)
        assert (run.verdict, run.percent) == ("aborted", 0)

    def test_a_canary_that_crashes_gets_no_request(self, rollouts: Rollouts) -> None:
        path = rollouts.start(command="python -c 'raise SystemExit(1)'", timeouts={"readyS": 20})
        run = ended(path)
        tell("crash-looping", path)
        assert run.verdict == "rolled_back"
        assert "canary pods are ready" in run.reason
        assert run.totals[1].requests == 0

    def test_a_killed_controller_goes_on_and_an_apply_of_everything_changes_no_weight(
        self, rollouts: Rollouts
    ) -> None:
        path = rollouts.start()
        killed = []
        for stage in ("preparing", "warming", "stepping", "promoting"):
            run = until(path, lambda run, stage=stage: run.stage == stage)  # type: ignore[misc]
            process = eventually(rollouts.controller, 30, "it runs")
            process.kill()
            killed.append(run.stage)
            if stage == "stepping":
                run = until(path, lambda run: run.percent >= 10)
                process = eventually(rollouts.controller, 30, "it runs")
                process.kill()
                before = self.weight(rollouts, run)
                files = [part for name in (MANIFESTS, POLICY) for part in ("-f", name)]
                rollouts.installation.told("mesh", "apply", *files)
                assert self.weight(rollouts, run) == before
        run = ended(path)
        tell(f"killed in {', '.join(killed)}; all applied again", path)
        assert run.verdict == "promoted"
        assert not any(isinstance(event, Overwritten) for event in events(path))

    @staticmethod
    def overwrite(rollouts: Rollouts, run: Run, percent: int) -> None:
        """As `kubectl edit` would."""
        file = Path(rollouts.installation.checkout) / SPLITS / "links.yaml"
        body = yaml.safe_load(file.read_text())
        for entry in body["spec"]["http"][0]["route"]:
            canary = entry["destination"]["subset"] == run.began.canary
            entry["weight"] = percent if canary else 100 - percent
        edited = rollouts.installation.folder / "edited.yaml"
        edited.write_text(yaml.safe_dump(body))
        rollouts.installation.told("mesh", "apply", "-f", str(edited))

    @staticmethod
    def weight(rollouts: Rollouts, run: Run) -> int:
        """The canary's, as every proxy has it."""
        routes = json.loads(rollouts.installation.told("mesh", "get", "routes", "-o", "json"))
        found = {
            int(to["weight"])
            for route in routes
            for to in route["to"]
            if f"|{run.began.canary}|links." in to["cluster"]
        }
        [only] = found
        return only


@pytest.mark.slow
@pytest.mark.timeout(MADE_WITHIN_S + 1200)
@pytest.mark.usefixtures("prometheus")
def test_where_there_is_no_traffic_load_is_made(installation: Installation, rollouts: Rollouts) -> None:
    rollouts.says(errors=0.05)
    path = rollouts.start("--load")
    run = ended(path)
    tell("no traffic but load that is made, 5 % errors", path)
    assert run.verdict == "rolled_back"
    assert [load for name, load in run.scaled.items() if name == "canary-load"] == [0]


@pytest.mark.slow
@pytest.mark.timeout(MADE_WITHIN_S + 1200)
@pytest.mark.usefixtures("prometheus")
def test_a_service_of_two_requests_a_second_is_judged_too(
    installation: Installation, rollouts: Rollouts
) -> None:
    rollouts.says(errors=0.2)
    with steady(installation, installation.account(), rate=2.0):
        path = rollouts.start()
        run = ended(path)
    tell("2 requests/s, 20 % errors", path)
    assert run.verdict == "rolled_back"

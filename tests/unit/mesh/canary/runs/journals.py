"""Journals of rollouts that a real decider decided, over simulated requests: seeded, each always the same.

What drives them here does as a controller does, as far as a reader can tell: the order of events, one scrape
late, weights written before they are scraped. Nothing waits, and no platform is asked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from msgspec import structs

from mesh.canary.decision import Decider, Decision
from mesh.canary.model import ArmSample, Observation, PodSample
from mesh.canary.runs import rollout
from mesh.canary.runs.journal import (
    Began,
    Commanded,
    Ended,
    Entered,
    Event,
    Gated,
    Journal,
    Learned,
    Overwritten,
    Scaled,
    Scraped,
    Stage,
    Verdict,
    Written,
)

BEGAN_AT = 1_795_694_400.0  # 2026-11-26 12:00:00 UTC
SCRAPE_S = 15.0
EDGES_MS = (100.0, 250.0)
TAILS = (0.06, 0.008)
PODS = 10
RUN = "20261126-120000-0a1b"


@dataclass
class Script:
    """What befalls a run. `split` multiplies the canary's share of the requests, `gone` scrapes fail."""

    rps: float = 200.0
    errors: float = 0.001
    canary_errors: float = 0.001
    split: float = 1.0
    gone: range = range(0)
    gate_for: int = 0
    abort_after: int | None = None
    overwrite_after: int | None = None
    stop_after: int | None = None
    by: str = "ada"
    changed: tuple[str, ...] = ("env CACHE_SIZE: 100 -> 200",)
    seed: int = 1


SCRIPTS = {
    "promoted": Script(),
    "rolled_back": Script(canary_errors=0.05),
    "inconclusive": Script(split=0.1),
    "aborted": Script(abort_after=9),
    "gated": Script(gate_for=4, gone=range(5, 7)),
    "overwritten": Script(overwrite_after=7, stop_after=12),
    "running": Script(rps=20.0, stop_after=14),
}


@dataclass
class Writer:
    """Plays one script; `at` is its clock."""

    script: Script
    run: str = RUN
    at: float = BEGAN_AT
    percent: int = 0
    writes: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.script.seed)
        gates = [{"type": "manual", "name": "lunch", "at": "promotion"}] if self.script.gate_for else []
        self.rollout = rollout.parse(
            {
                "apiVersion": "delinkcious.io/v1alpha1",
                "kind": "Rollout",
                "metadata": {"name": "links", "namespace": "delinkcious"},
                "spec": {
                    "service": "links",
                    "slo": {"latencyEdgesMs": EDGES_MS},
                    "analysis": {"scrapeIntervalS": SCRAPE_S},
                    "gates": gates,
                },
            }
        )

    def events(self) -> Iterator[Event]:
        """The journal, event by event."""
        yield Began(
            at=self.at,
            run=self.run,
            by=self.script.by,
            rollout=self.rollout,
            stable="v1",
            canary="v2",
            replicas=PODS,
            revision="5f3c2a",
            base="links-v1",
            deployment={"metadata": {"name": "links-v2"}},
            changed=self.script.changed,
        )
        yield Entered(at=self.later(0.1), stage="preparing", why="")
        yield Scaled(at=self.later(0.2), deployment="links-v2", replicas=1)
        yield Entered(at=self.later(20), stage="warming", why="1 pod is ready")
        history = tuple(self.arm(self.script.rps * SCRAPE_S, PODS, self.script.errors) for _ in range(240))
        yield Learned(at=self.later(30), history=history)
        decider = Decider(self.rollout.spec.settings(), history)
        yield Entered(at=self.later(0.1), stage="stepping", why="stable is known")
        yield self.written(round(100 * decider.decision.weight))
        yield from self.stepping(decider)

    def stepping(self, decider: Decider) -> Iterator[Event]:
        script, held = self.script, 0
        seen = self.scrape()
        for number in count(1):
            if script.stop_after is not None and number > script.stop_after:
                return
            if number == script.abort_after:
                yield Commanded(at=self.later(1), number=1, verb="abort", by="grace")
                yield from self.ended("aborted", "grace aborted it")
                return
            if script.overwrite_after is not None and number >= script.overwrite_after:
                yield from self.overwritten(number - script.overwrite_after)
            before = decider.decision
            decision = yield from self.scraped(decider, None if number in script.gone else seen)
            seen = self.scrape()
            if decision.phase == "promoted" and held < script.gate_for:
                while held < script.gate_for:
                    held += 1
                    yield Gated(at=self.later(10), gate="lunch", open=False, why="nobody has approved it")
                yield Commanded(at=self.later(1), number=1, verb="approve", by="grace", gate="lunch")
            match decision.phase:
                case "promoted" | "rolled_back" | "inconclusive" as verdict:
                    yield from self.ended(verdict, decision.reason)
                    return
                case _:
                    pass
            if decision.weight != before.weight:
                yield self.written(round(100 * decision.weight))

    def scraped(self, decider: Decider, seen: Observation | None) -> Generator[Event, None, Decision]:
        decision = decider.observe(seen)
        failed = "" if seen else "Prometheus does not answer"
        yield Scraped(at=self.later(0.3), observation=seen, failed=failed, decision=decision)
        return decision

    def ended(self, verdict: Verdict, reason: str) -> Iterator[Event]:
        promoted = verdict == "promoted"
        stage: Stage = "promoting" if promoted else "retreating"
        yield Entered(at=self.later(0.1), stage=stage, why=reason, verdict=verdict)
        yield Scaled(at=self.later(0.1), deployment="links-v2", replicas=PODS if promoted else 0)
        yield self.written(100 if promoted else 0)
        yield Ended(at=self.later(30), verdict=verdict, reason=reason)

    def overwritten(self, times: int) -> Iterator[Event]:
        if times < 2:
            yield Overwritten(at=self.later(1), percent=50)
        if times == 0:
            yield self.written(self.percent)

    def written(self, percent: int) -> Written:
        self.percent = percent
        return Written(at=self.later(1), percent=percent, version=str(next(self.writes)))

    def later(self, seconds: float) -> float:
        self.at += seconds
        return round(self.at, 3)

    def scrape(self) -> Observation:
        script, weight = self.script, self.percent / 100
        mean, share = script.rps * SCRAPE_S, weight * script.split
        return Observation(
            at=self.later(SCRAPE_S),
            weight=weight,
            whole_step=True,
            stable=self.arm(mean * (1 - share), PODS, script.errors),
            canary=self.arm(mean * share, max(1, round(PODS * weight)), script.canary_errors, "links-v2"),
        )

    def arm(self, mean: float, pods: int, rate: float, name: str = "links-v1") -> ArmSample:
        n = self.rng.poisson(mean / pods, pods)
        k = self.rng.binomial(n, rate)
        slow, left, before = [], int(n.sum()), 1.0
        for share in TAILS:
            left = int(self.rng.binomial(left, share / before))
            slow.append(left)
            before = share
        named = {f"{name}-{i}": PodSample(int(n[i]), int(k[i])) for i in range(pods)}
        return ArmSample(int(n.sum()), int(k.sum()), tuple(slow), named)


def events(name: str) -> list[Event]:
    """Those of a run that is named in SCRIPTS."""
    return list(Writer(SCRIPTS[name]).events())


@cache
def _bytes(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        return written(Path(folder) / "made.jsonl", events(name)).read_bytes()


def write(folder: Path, name: str, run: str = RUN) -> Path:
    """The journal of such a run where a state folder has it, below `folder`."""
    path = folder / "delinkcious" / "links" / f"{run}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_bytes(name).replace(RUN.encode(), run.encode(), 1))
    return path


def written(path: Path, happened: list[Event]) -> Path:
    """These events as a journal."""
    journal = Journal(path)
    try:
        for event in happened:
            journal.append(event)
    finally:
        journal.close()
    return path


def dry(began: Event) -> Event:
    """The same beginning of a run that writes no weight."""
    assert isinstance(began, Began)
    spec = structs.replace(began.rollout.spec, dry_run=True)
    return structs.replace(began, rollout=structs.replace(began.rollout, spec=spec))

"""Our own decisions in the simulated service: the same core as a decider's, for many runs at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from mesh.canary import engine
from mesh.canary.batch import Batch, Numbers
from mesh.canary.engine import PROMOTED, TERMINAL
from mesh.canary.evidence import Array
from mesh.canary.ladder import SMALL_RPS, Plan
from mesh.canary.model import Settings
from tests.bench.canary.environment import SCRAPE_S, Environment, Scenario

T = TypeVar("T", Plan, Batch)
RUN_SCRAPES = 240
CHUNK = 1000


@dataclass
class Outcome:
    """Of each run: how it ended, when (minutes), requests harmed, also within the whole hour, why."""

    phase: Numbers
    minutes: Array
    harmed: Array
    harmed_hour: Array
    reason: Numbers


def joined(outcomes: list[Outcome]) -> Outcome:
    """Runs of several chunks as one."""
    return Outcome(
        **{name: np.concatenate([vars(each)[name] for each in outcomes]) for name in vars(outcomes[0])}
    )


def ours(scenario: Scenario, runs: int, seed: int) -> Outcome:
    """All runs, in chunks that fit a small machine's memory."""
    sizes = [min(CHUNK, runs - start) for start in range(0, runs, CHUNK)]
    return joined([_chunk(scenario, size, 1000 * seed + number) for number, size in enumerate(sizes)])


def _chunk(scenario: Scenario, runs: int, seed: int) -> Outcome:
    scrapes = RUN_SCRAPES * (1 if scenario.rps >= SMALL_RPS else 2) + 2
    environment = Environment(scenario, runs, scrapes, seed)
    settings = Settings(expected_rps=scenario.rps, max_pods=10)
    plan, state = engine.begin(settings, environment.history())
    alive = np.arange(runs)
    end = np.full(runs, float(scrapes))
    phase = np.full(runs, engine.PROGRESSING)
    reason = np.zeros(runs, dtype=np.int64)
    harmed, pending = np.zeros(runs), list[Batch]()
    for t in range(scrapes):
        if t >= 2:
            engine.observe(plan, state, pending.pop(0))
            over = state.phase >= TERMINAL
            if over.any():
                done = alive[over]
                end[done], phase[done], reason[done] = t, state.phase[over], state.reason[over]
                left = np.flatnonzero(~over)
                alive, state, plan = alive[left], state.take(left), part(plan, left)
                pending = [part(batch, left) for batch in pending]
            if not len(alive):
                break
        batch, hurt, _ = environment.scrape(t, state.weight, alive)
        harmed[alive] += hurt
        pending.append(batch)
    minutes = end * SCRAPE_S / 60
    hour = harmed + np.where(phase == PROMOTED, harm_at_full(environment) * np.maximum(60 - minutes, 0), 0.0)
    return Outcome(phase=phase, minutes=minutes, harmed=harmed, harmed_hour=hour, reason=reason)


def harm_at_full(environment: Environment) -> float:
    """Requests harmed a minute once the canary has all traffic."""
    weight, run = np.ones(1), np.zeros(1, dtype=np.int64)
    return float(environment.scrape(environment.scrapes - 1, weight, run)[1][0]) * 60 / SCRAPE_S


def part(whole: T, runs: Numbers) -> T:
    """Some of the runs."""
    arrays: dict[str, Any] = {
        n: value[runs] for n, value in vars(whole).items() if isinstance(value, np.ndarray)
    }
    return replace(whole, **arrays)

"""All that a run remembers between scrapes, and how it is kept: at most 4 KB of JSON, floats exact."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from mesh.canary.batch import Numbers
from mesh.canary.evidence import Array
from mesh.canary.ladder import Plan
from mesh.canary.model import Settings

VERSION = 1
ERROR_ALTERNATIVES, TAIL_ALTERNATIVES, POD_ALTERNATIVES = 8, 6, 8
BETS = np.array((0.3, 0.6, 0.9))
PROOFS = 3
# Excess error rates of which the interval's ends are taken.
GRID = np.array((0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.10, 0.20))
# Half of the wealth bets from the first scrape on, the other half is for later steps.
FIRST_STAKE = 0.5


@dataclass
class State:
    """[R] runs. `log_*` are logarithms of e-processes and of CUSUMs."""

    reserve: Array
    errors: Array  # wealth per component: [R, alternatives], tails [R, edges, alternatives]
    tails: Array
    pods: Array
    bets: Array
    ref_requests: Array  # stable's discounted counts
    ref_errors: Array
    ref_slow: Array  # [R, edges]
    ref_units: Array
    ref_bad: Array
    block: Array  # [R, 6]: requests, errors, pods of stable and canary
    block_factor: Array
    block_scrapes: Numbers
    log_proof: Array  # [R, 3]
    log_proof_tails: Array  # [R, 2, 3]
    step_scrapes: Numbers
    log_above: Array  # [R, grid]
    log_below: Array
    log_slo: Array
    breach: Numbers
    calm: Numbers
    log_canary_slo: Array
    canary_breach: Numbers
    log_few: Array
    log_many: Array
    phase: Numbers
    reason: Numbers
    step: Numbers
    weight: Array
    seen: Numbers
    started: Array
    last: Array
    missed: Numbers
    step_at: Array
    entries: Numbers
    entered_at: Array

    def take(self, runs: Numbers) -> State:
        """The state of some of the runs."""
        return State(**{name: value[runs] for name, value in vars(self).items()})


_NUMBERS = (
    *("block_scrapes", "step_scrapes", "breach", "calm", "canary_breach"),
    *("phase", "reason", "step", "seen", "missed", "entries"),
)
_ZEROS = (
    *("block_factor", "log_slo", "log_canary_slo", "log_few", "log_many"),
    *("started", "last", "step_at", "entered_at"),
)


def first_state(plan: Plan, references: tuple[Array, Array, Array, Array, Array]) -> State:
    """Before the first scrape; `references` are stable's counts of requests, errors, slow, units, bad."""
    runs, edges = plan.edges.shape
    begun: dict[str, Any] = {name: np.zeros(runs, dtype=np.int64) for name in _NUMBERS}
    begun |= {name: np.zeros(runs) for name in _ZEROS}
    names = ("ref_requests", "ref_errors", "ref_slow", "ref_units", "ref_bad")
    begun |= dict(zip(names, references, strict=True))
    return State(
        **begun,
        reserve=np.full(runs, 1 - FIRST_STAKE),
        errors=np.full((runs, ERROR_ALTERNATIVES), FIRST_STAKE),
        tails=np.full((runs, edges, TAIL_ALTERNATIVES), FIRST_STAKE),
        pods=np.full((runs, POD_ALTERNATIVES), FIRST_STAKE),
        bets=np.full((runs, len(BETS)), FIRST_STAKE),
        block=np.zeros((runs, 6)),
        log_proof=np.zeros((runs, PROOFS)),
        log_proof_tails=np.zeros((runs, min(edges, 2), PROOFS)),
        log_above=np.zeros((runs, len(GRID))),
        log_below=np.zeros((runs, len(GRID))),
        weight=np.full(runs, plan.steps[0]),
    )


def dumps(plan: Plan, state: State) -> str:
    """JSON of the only run of `plan` and `state`; floats as their shortest exact decimals."""
    settings = {
        name: value
        for name, value in dataclasses.asdict(plan.settings).items()
        if value != getattr(_DEFAULTS, name)
    }
    kept = {name: _plain(value) for name, value in vars(plan).items() if name != "settings"}
    rest = {name: _plain(value) for name, value in vars(state).items()}
    document = {"version": VERSION, "settings": settings, "plan": kept, "state": rest}
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def loads(text: str) -> tuple[Plan, State]:
    """What `dumps` wrote; ValueError if it is of another version or incomplete."""
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError("not the state of a rollout's decision, or of another version")
    try:
        settings = Settings(**{name: _tuples(value) for name, value in document["settings"].items()})
        plan = Plan(
            settings=settings, **{name: _arrays(name, value) for name, value in document["plan"].items()}
        )
        state = State(**{name: _arrays(name, value) for name, value in document["state"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the state of a rollout's decision is incomplete: {error}") from error
    return _shaped(plan, state)


_DEFAULTS = Settings()
_SCALARS = ("rps", "size", "steps", "run_timeout_s")


def _plain(value: Any) -> Any:
    return value[0].tolist() if isinstance(value, np.ndarray) else value


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _arrays(name: str, value: Any) -> Any:
    return _tuples(value) if name in _SCALARS else np.array([value])


def _shaped(plan: Plan, state: State) -> tuple[Plan, State]:
    """Without edges some arrays are empty and have lost shape and type in JSON."""
    plan.edges, plan.judged = plan.edges.astype(np.int64), plan.judged.astype(bool)
    state.tails = state.tails.reshape(1, -1, TAIL_ALTERNATIVES)
    state.log_proof_tails = state.log_proof_tails.reshape(1, -1, PROOFS)
    return plan, state

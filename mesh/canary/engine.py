"""One call per scrape: take the evidence in, then decide, for many runs at once."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from mesh.canary import guards, promotion, references, wealth
from mesh.canary.batch import Batch, Flags, History, Numbers
from mesh.canary.evidence import Array
from mesh.canary.ladder import Plan, make_plan
from mesh.canary.model import Phase, Settings
from mesh.canary.state import State, first_state

PHASES: tuple[Phase, ...] = ("progressing", "holding", "aside", "promoted", "rolled_back", "inconclusive")
PROGRESSING, HOLDING, ASIDE, PROMOTED, ROLLED_BACK, INCONCLUSIVE = range(6)
TERMINAL = PROMOTED
# Wealth at which the weight is held: a tenth of a rollback's.
HOLD_WEALTH = 10.0
# A second shared failure so soon after re-entry coincides with the canary.
COINCIDENCE_S = 600.0
SAME_WEIGHT = 1e-9


class Reason(IntEnum):
    """Why a run is where it is; the words are in `decision`."""

    COLLECTING = 0
    EVIDENCE = 1
    STABLE_SUSPECT = 2
    NO_DATA = 3
    STEPPED = 4
    SHARED_FAILURE = 5
    REENTERED = 6
    WORSE = 7
    CANARY_ALONE = 8
    SPLIT_FEW = 9
    SPLIT_MANY = 10
    COINCIDES = 11
    STEP_TIMEOUT = 12
    RUN_TIMEOUT = 13
    DATA_TIMEOUT = 14
    PROVEN = 15
    UNPROVEN = 16


def begin(settings: Settings, history: History) -> tuple[Plan, State]:
    """The plan and the state before the first scrape."""
    counts = references.start(history, settings.scrape_s)
    requests, errors, slow, units, bad = counts
    level = np.where(requests > 0, references.rate(errors, requests), settings.slo_error_rate)
    tails = references.rate(slow, requests[:, None])
    tails = np.where(requests[:, None] > 0, tails, 1.0)  # unknown: not judged
    plan = make_plan(settings, history, tails, level)
    slow = np.take_along_axis(slow, plan.edges, axis=1)
    return plan, first_state(plan, (requests, errors, slow, units, bad))


def observe(plan: Plan, state: State, batch: Batch) -> None:
    """Take in a scrape of each run and decide; runs that have ended keep their decision."""
    live = state.phase < TERMINAL
    first = state.seen == 0
    state.started = np.where(first, batch.at - plan.settings.scrape_s, state.started)
    state.step_at = np.where(first, state.started, state.step_at)
    state.seen, state.last, state.missed = state.seen + 1, batch.at, np.zeros_like(state.missed)
    same = np.abs(batch.weight - state.weight) < SAME_WEIGHT
    in_step = live & batch.whole & same & (state.weight > 0)
    seen = references.effective(plan, state, batch)
    wealth.update(plan, state, batch, seen, in_step)
    promotion.update(plan, state, seen, in_step)
    promotion.update_interval(state, seen)
    guards.update(plan, state, batch)
    references.remember(plan, state, batch)
    _decide(plan, state, live, batch.at)


def miss(plan: Plan, state: State) -> None:
    """A scrape that failed: no evidence and no blame; after minutes a freeze, after many the end."""
    state.missed = state.missed + 1
    silent = state.missed * plan.settings.scrape_s
    live = state.phase < TERMINAL
    end = live & (silent > plan.settings.no_data_timeout_s)
    freeze = live & ~end & (silent > plan.settings.freeze_s) & (state.phase != ASIDE)
    _set(state, freeze, HOLDING, Reason.NO_DATA)
    _set(state, end, INCONCLUSIVE, Reason.DATA_TIMEOUT, 0.0)
    now = state.last + silent
    _time_out(plan, state, live & ~end, now, wealth.wealth(plan, state))


def _decide(plan: Plan, state: State, live: Flags, now: Array) -> None:
    total = wealth.wealth(plan, state)
    open_ = live.copy()

    def end(runs: Flags, phase: int, reason: Reason, weight: float) -> None:
        nonlocal open_
        _set(state, open_ & runs, phase, reason, weight)
        open_ &= ~runs

    end(total >= 1 / plan.settings.alpha_rollback, ROLLED_BACK, Reason.WORSE, 0.0)
    end(guards.canary_fails_alone(state), ROLLED_BACK, Reason.CANARY_ALONE, 0.0)
    few = state.log_few >= state.log_many
    wrong = guards.split_is_wrong(plan, state)
    end(wrong & few, INCONCLUSIVE, Reason.SPLIT_FEW, 0.0)
    end(wrong & ~few, INCONCLUSIVE, Reason.SPLIT_MANY, 0.0)
    open_ = _shared(plan, state, open_, now)
    open_ = _time_out(plan, state, open_, now, total)
    _climb(plan, state, open_ & (state.phase != ASIDE), now, total)


def _shared(plan: Plan, state: State, open_: Flags, now: Array) -> Flags:
    """Step aside while stable fails, come back when it is calm; returns the runs still open."""
    aside = state.phase == ASIDE
    fails = open_ & ~aside & guards.shared_failure(state)
    again = fails & (state.entries > 0) & (now - state.entered_at <= COINCIDENCE_S)
    _set(state, again, INCONCLUSIVE, Reason.COINCIDES, 0.0)
    leave = fails & ~again
    _set(state, leave, ASIDE, Reason.SHARED_FAILURE, 0.0)
    back = open_ & aside & (state.calm >= guards.CALM_REENTRY)
    _set(state, back, PROGRESSING, Reason.REENTERED)
    state.entries = state.entries + back
    state.entered_at = np.where(back, now, state.entered_at)
    _move(plan, state, back, np.zeros_like(state.step), now)
    return np.asarray(open_ & ~again & ~back)


def _time_out(plan: Plan, state: State, open_: Flags, now: Array, total: Array) -> Flags:
    """End what takes too long as the policy says; returns the runs still open."""
    late = open_ & (now - state.started >= plan.run_timeout_s)
    slow = open_ & ~late & (state.phase != ASIDE) & (now - state.step_at >= plan.settings.step_timeout_s)
    ended = late | slow
    policy = plan.settings.inconclusive
    unblocked = (total < HOLD_WEALTH) & ~guards.suspect(state) & (state.phase != ASIDE)
    promoted = ended & unblocked & (policy == "promote-if-nonblocking")
    weight = state.weight if policy == "hold" else np.zeros_like(state.weight)
    _set(state, late, INCONCLUSIVE, Reason.RUN_TIMEOUT, weight)
    _set(state, slow, INCONCLUSIVE, Reason.STEP_TIMEOUT, weight)
    _set(state, promoted, PROMOTED, Reason.UNPROVEN, 1.0)
    return np.asarray(open_ & ~ended)


def _climb(plan: Plan, state: State, open_: Flags, now: Array, total: Array) -> None:
    """A step up, or promotion, on fresh proof; else wait."""
    suspect = guards.suspect(state)
    whole = (state.block_scrapes == 0) & (state.step_scrapes >= wealth.BLOCK_SCRAPES)
    up = open_ & (total < HOLD_WEALTH) & ~suspect & whole & promotion.proven(plan, state)
    last = state.step == len(plan.steps) - 1
    stay = open_ & ~up
    _set(state, stay, PROGRESSING, Reason.COLLECTING)
    _set(state, stay & suspect, HOLDING, Reason.STABLE_SUSPECT)
    _set(state, stay & (total >= HOLD_WEALTH), HOLDING, Reason.EVIDENCE)
    _set(state, up & last, PROMOTED, Reason.PROVEN, 1.0)
    _set(state, up & ~last, PROGRESSING, Reason.STEPPED)
    _move(plan, state, up & ~last, state.step + 1, now)


def _move(plan: Plan, state: State, runs: Flags, step: Numbers, now: Array) -> None:
    """Go to a step of the ladder: its evidence begins anew, and more of the reserve bets."""
    state.step = np.where(runs, step, state.step)
    state.weight = np.where(runs, np.array(plan.steps)[state.step], state.weight)
    state.step_at = np.where(runs, now, state.step_at)
    promotion.restart(state, runs)
    wealth.clear_block(state, runs)
    wealth.stake(plan, state, runs)


def _set(state: State, runs: Flags, phase: int, reason: Reason, weight: Array | float | None = None) -> None:
    state.phase = np.where(runs, phase, state.phase)
    state.reason = np.where(runs, int(reason), state.reason)
    if weight is not None:
        state.weight = np.where(runs, weight, state.weight)

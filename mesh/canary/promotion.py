"""Steps up and promotion: proof that the canary is not worse by the margin; and the interval shown.

Per step fresh e-processes against "theta_C >= theta_S + margin" (non-inferiority); before promotion also
against heavier tails at two edges. All must reach 1/alpha: an intersection of rejections needs no split.
"""

from __future__ import annotations

import math

import numpy as np

from mesh.canary.batch import Flags
from mesh.canary.evidence import ERROR_LEVELS, LEVELS, OTHER_LEVELS, Array, log_mean_exp, mixed, no_worse
from mesh.canary.ladder import TAIL_FACTOR, Plan
from mesh.canary.references import Effective
from mesh.canary.state import GRID, State


def update(plan: Plan, state: State, seen: Effective, in_step: Flags) -> None:
    """Multiply the step's e-processes by a scrape of that step."""
    margin = margins(plan, state)[:, None]
    level = seen.level[:, None]
    log_e = mixed(seen.n, seen.k, level, no_worse(level[:, 0], margin[:, 0], ERROR_LEVELS), 1.0, margin)
    state.log_proof = state.log_proof + np.where(in_step[:, None], log_e, 0.0)
    two = state.log_proof_tails.shape[1]
    tails = seen.tails[:, :two]
    alternatives = no_worse(tails, plan.tail_margins, OTHER_LEVELS)
    margin = plan.tail_margins[..., None]
    counts = seen.n_tails[:, :two], seen.k_tails[:, :two]
    log_e = mixed(*counts, tails[..., None], alternatives, TAIL_FACTOR, margin, OTHER_LEVELS)
    judging = in_step & (state.step == len(plan.steps) - 1)
    state.log_proof_tails = state.log_proof_tails + np.where(judging[:, None, None], log_e, 0.0)
    state.step_scrapes = state.step_scrapes + in_step


def margins(plan: Plan, state: State) -> Array:
    """[R]: the margin of each run's step."""
    return np.take_along_axis(plan.step_margins, state.step[:, None], axis=1)[:, 0]


def proven(plan: Plan, state: State) -> Flags:
    """[R]: whether the step's margin is ruled out, at the last step in latency too."""
    wanted = math.log(1 / plan.settings.alpha_promote)
    errors = log_mean_exp(state.log_proof) >= wanted
    two = state.log_proof_tails.shape[1]
    tails = (log_mean_exp(state.log_proof_tails) >= wanted) | ~plan.judged[:, :two]
    return np.asarray(errors & (tails.all(axis=1) | (state.step < len(plan.steps) - 1)))


def restart(state: State, runs: Flags) -> None:
    """Forget the step's evidence: the next one needs its own."""
    state.log_proof = np.where(runs[:, None], 0.0, state.log_proof)
    state.log_proof_tails = np.where(runs[:, None, None], 0.0, state.log_proof_tails)
    state.step_scrapes = np.where(runs, 0, state.step_scrapes)


def update_interval(state: State, seen: Effective) -> None:
    """Test every excess of the grid from below and from above."""
    level = seen.level[:, None]
    tS = level[..., None] * LEVELS
    bound = tS + GRID[:, None]
    state.log_above = state.log_above + mixed(seen.n, seen.k, level, 2.5 * bound, 1.0, GRID[None])
    below = np.where(GRID[:, None] > 0, tS + 0.2 * GRID[:, None], 0.5 * tS)
    state.log_below = state.log_below + mixed(seen.n, seen.k, level, below, 1.0, GRID[None])


def interval(state: State, run: int, alpha: float) -> tuple[float, float]:
    """(largest excess of the grid that is exceeded or 0, smallest that is not reached or 1)."""
    wanted = math.log(1 / alpha)
    exceeded = GRID[state.log_above[run] >= wanted]
    ruled_out = GRID[state.log_below[run] >= wanted]
    low = float(exceeded.max()) if exceeded.size else 0.0
    high = float(ruled_out.min()) if ruled_out.size else 1.0
    return low, max(low, high)

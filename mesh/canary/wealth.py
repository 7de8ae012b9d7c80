"""Rollback: one wealth from errors, latency tails, bad pods and bets on blocks of scrapes.

Each component keeps A <- (A + stake) e for every alternative: a mixture over alternatives and over the time
at which a regression starts. The wealth is the reserve of stakes plus the weighted mean of all A. As a
mixture of e-processes it reaches 1/alpha with probability at most alpha while the canary is within tolerance
(Ville's inequality), however often one looks: e-detectors, Shin, Ramdas and Rinaldo 2022; betting,
Waudby-Smith and Ramdas 2024.
"""

from __future__ import annotations

import numpy as np

from mesh.canary.batch import Batch, Flags
from mesh.canary.evidence import ERROR_LEVELS, OTHER_LEVELS, Array, mixed, worse
from mesh.canary.ladder import Plan
from mesh.canary.references import Effective
from mesh.canary.state import BETS, ERROR_ALTERNATIVES, POD_ALTERNATIVES, TAIL_ALTERNATIVES, State

COMPONENTS = ("errors", "latency", "bad pods", "clustered errors")
# Within tolerance: at most a times stable's rate plus d.
ERRORS_A, ERRORS_D = 1.10, 0.0005
TAILS_A, TAILS_D = 1.2, 0.002
PODS_A, PODS_D = 2.0, 0.02
BLOCK_SCRAPES = 3
# A block with fewer errors than this share of the canary's requests is no bet.
BLOCK_ERRORS = 0.0005


def update(plan: Plan, state: State, batch: Batch, seen: Effective, in_step: Flags) -> None:
    """Multiply each component by the scrape's e-values."""
    alternatives = worse(seen.level, ERRORS_A, ERRORS_D, ERROR_ALTERNATIVES, ERROR_LEVELS)
    log_e = mixed(seen.n, seen.k, seen.level[:, None], alternatives, ERRORS_A, ERRORS_D, ERROR_LEVELS)
    state.errors = state.errors * np.exp(log_e)
    alternatives = worse(seen.tails, TAILS_A, TAILS_D, TAIL_ALTERNATIVES, OTHER_LEVELS)
    log_e = mixed(
        seen.n_tails, seen.k_tails, seen.tails[..., None], alternatives, TAILS_A, TAILS_D, OTHER_LEVELS
    )
    state.tails = state.tails * np.exp(log_e)
    alternatives = worse(seen.bad, PODS_A, PODS_D, POD_ALTERNATIVES, OTHER_LEVELS)
    log_e = mixed(seen.n_pods, seen.k_pods, seen.bad[:, None], alternatives, PODS_A, PODS_D, OTHER_LEVELS)
    state.pods = state.pods * np.exp(log_e)
    _bet(state, batch, seen, in_step)


def _bet(state: State, batch: Batch, seen: Effective, in_step: Flags) -> None:
    """Bet on the canary's part of a block's errors: nothing is assumed about how they cluster inside it."""
    first = in_step & (state.block_scrapes == 0)
    state.block_factor = np.where(first, ERRORS_A + ERRORS_D / seen.level, state.block_factor)
    counts = np.concatenate((batch.requests, batch.errors, batch.pods), axis=1)
    state.block = state.block + np.where(in_step[:, None], counts, 0.0)
    state.block_scrapes = state.block_scrapes + in_step
    full = state.block_scrapes == BLOCK_SCRAPES
    nS, nC, kS, kC, pods_stable, pods_canary = state.block.T
    fair = np.maximum(
        _share(state.block_factor * nC, nS),
        _share(pods_canary, pods_stable),
    )
    errors = kS + kC
    bet = full & (errors >= np.maximum(1.0, BLOCK_ERRORS * nC)) & (fair > 0)
    paid = kC / np.where(bet, errors * fair, 1.0) - 1.0
    state.bets = state.bets * np.where(bet[:, None], 1.0 + BETS * paid[:, None], 1.0)
    clear_block(state, full)


def _share(part: Array, rest: Array) -> Array:
    total = part + rest
    return np.where(total > 0, part / np.where(total > 0, total, 1.0), 0.0)


def clear_block(state: State, runs: Flags) -> None:
    """Begin the next block."""
    state.block = np.where(runs[:, None], 0.0, state.block)
    state.block_scrapes = np.where(runs, 0, state.block_scrapes)


def stake(plan: Plan, state: State, runs: Flags) -> None:
    """At a change of step: let a part of the reserve bet from now on."""
    added = np.where(runs, np.minimum(1 / (2 * len(plan.steps)), state.reserve), 0.0)
    state.reserve = state.reserve - added
    state.errors = state.errors + added[:, None]
    state.tails = state.tails + added[:, None, None]
    state.pods = state.pods + added[:, None]
    state.bets = state.bets + added[:, None]


def wealth(plan: Plan, state: State) -> Array:
    """[R]: the reserve, and the weighted mean of what the components have made of their stakes."""
    return np.asarray(state.reserve + (plan.weights * components(plan, state)).sum(axis=1))


def components(plan: Plan, state: State) -> Array:
    """[R, 4]: what each component has made of a stake of one."""
    edges = np.maximum(plan.judged.sum(axis=1), 1)
    latency = (state.tails.mean(axis=2) * plan.judged).sum(axis=1) / edges
    means = (state.errors.mean(axis=1), latency, state.pods.mean(axis=1), state.bets.mean(axis=1))
    return np.stack(means, axis=1)

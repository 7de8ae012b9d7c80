"""What no comparison of the arms shows: stable itself failing, a share that is not what was configured."""

from __future__ import annotations

import numpy as np

from mesh.canary.batch import Batch, Flags
from mesh.canary.evidence import CANARY, STABLE, Array, log_mean_exp
from mesh.canary.ladder import Plan
from mesh.canary.state import State

# Multiples of the objective's error rate that the CUSUM looks for.
MULTIPLES = np.array((2.0, 5.0, 15.0))
SUSPECT, ALARM = 20.0, 1000.0
BREACH_SCRAPES = 4
CALM_RESET, CALM_REENTRY = 4, 8
# Shares below half and above twice the configured one; requests may come in fives.
SPLIT_FEW, SPLIT_MANY, SPLIT_DISPERSION = 0.2, 1.5, 5.0


def update(plan: Plan, state: State, batch: Batch) -> None:
    """Take in one scrape."""
    _stable(plan, state, batch)
    _canary_alone(plan, state, batch)
    _split(state, batch)


def log_cusum(log_g: Array, n: Array, k: Array, slo: float) -> Array:
    """One scrape of n requests, k of them failed.

    G <- max(G, 1) mean_m exp(-n slo (m - 1) + k log m): an e-detector (Shin, Ramdas and Rinaldo 2022).
    """
    log_e = -n[:, None] * slo * (MULTIPLES - 1) + k[:, None] * np.log(MULTIPLES)
    return np.maximum(log_g, 0.0) + log_mean_exp(log_e)


def _stable(plan: Plan, state: State, batch: Batch) -> None:
    slo = plan.settings.slo_error_rate
    n, k = batch.requests[:, STABLE], batch.errors[:, STABLE]
    state.log_slo = log_cusum(state.log_slo, n / plan.phi, k / plan.phi, slo)
    above, judged = k > slo * n, n > 0
    state.breach = np.where(above, state.breach + 1, np.where(judged, 0, state.breach))
    state.calm = np.where(above, 0, state.calm + judged)
    state.log_slo = np.where(state.calm >= CALM_RESET, 0.0, state.log_slo)


def _canary_alone(plan: Plan, state: State, batch: Batch) -> None:
    """An absolute judgement where stable has no requests to compare with."""
    slo = plan.settings.slo_error_rate
    n, k = batch.requests[:, CANARY], batch.errors[:, CANARY]
    alone = (batch.requests[:, STABLE] == 0) & (n > 0)
    log_g = log_cusum(state.log_canary_slo, n / plan.phi, k / plan.phi, slo)
    state.log_canary_slo = np.where(alone, log_g, state.log_canary_slo)
    breach = np.where(k > slo * n, state.canary_breach + 1, 0)
    state.canary_breach = np.where(alone, breach, state.canary_breach)


def _split(state: State, batch: Batch) -> None:
    """Poisson likelihood ratios against "at least half" and "at most twice" the configured share."""
    total = batch.requests.sum(axis=1)
    canary = batch.requests[:, CANARY]
    expected = np.where(batch.whole, batch.weight * total, 0.0)
    counted = np.where(batch.whole & (batch.weight > 0), canary, 0.0)
    few = counted * np.log(SPLIT_FEW) + 0.5 * (1 - SPLIT_FEW) * expected
    many = counted * np.log(SPLIT_MANY) - 2.0 * (SPLIT_MANY - 1) * expected
    state.log_few = np.maximum(state.log_few, 0.0) + few / SPLIT_DISPERSION
    state.log_many = np.maximum(state.log_many, 0.0) + many / SPLIT_DISPERSION


def suspect(state: State) -> Flags:
    """Stable may be failing: no step up."""
    return np.asarray(state.log_slo >= np.log(SUSPECT))


def shared_failure(state: State) -> Flags:
    """Stable is failing: step aside."""
    return np.asarray((state.log_slo >= np.log(ALARM)) & (state.breach >= BREACH_SCRAPES))


def canary_fails_alone(state: State) -> Flags:
    return np.asarray((state.log_canary_slo >= np.log(ALARM)) & (state.canary_breach >= BREACH_SCRAPES))


def split_is_wrong(plan: Plan, state: State) -> Flags:
    if not plan.settings.split_guard:
        return np.zeros(len(state.log_few), dtype=bool)
    return np.asarray(np.maximum(state.log_few, state.log_many) >= np.log(ALARM))

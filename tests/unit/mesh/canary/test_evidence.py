"""The e-value of one scrape: known values, exact expectations, and what it must never do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from mesh.canary.evidence import (
    CANARY,
    LEVELS,
    LOG_CAP,
    STABLE,
    Array,
    log_evalue,
    log_mean_exp,
    mixed,
    no_worse,
    project,
    worse,
)

# nS, nC, kS, kC, tS, tC, a, d; x, y, log e
VECTORS = [
    (7425, 75, 7, 4, 0.001, 0.05, 1.1, 0.0005, 0.001363636, 0.002000000, 9.804419),
    (3750, 3750, 4, 4, 0.001, 0.001, 1, 0.005, 0.000549510, 0.005549510, 10.911400),
    (3750, 3750, 20, 39, 0.005, 0.012, 1.1, 0.0005, 0.007779803, 0.009057783, 1.519093),
    (26, 4, 0, 2, 0.001, 0.2, 1.1, 0.0005, 0.026731050, 0.029904155, 3.789264),
    (7425, 75, 0, 0, 0.001, 0.01, 1.1, 0.0005, 0.001058907, 0.001664798, -0.187753),
]

rates = st.floats(1e-4, 0.3)
sizes = st.integers(1, 60)
factors = st.floats(0.5, 3.0)
offsets = st.floats(1e-4, 0.1)


def log_e(nS: float, nC: float, kS: float, kC: float, tS: float, tC: float, a: float, d: float) -> float:
    n = np.array(float(nS)), np.array(float(nC))
    return float(log_evalue(*n, np.array(float(kS)), np.array(float(kC)), np.array(tS), np.array(tC), a, d))


def nearest(nS: float, nC: float, tS: float, tC: float, a: float, d: float) -> float:
    return float(project(np.array(float(nS)), np.array(float(nC)), np.array(tS), np.array(tC), a, d))


@pytest.mark.parametrize("vector", VECTORS)
def test_known_values_come_out(vector: tuple[float, ...]) -> None:
    nS, nC, kS, kC, tS, tC, a, d, x, y, value = vector
    assert nearest(nS, nC, tS, tC, a, d) == pytest.approx(x, abs=1e-6)
    assert a * nearest(nS, nC, tS, tC, a, d) + d == pytest.approx(y, abs=1e-6)
    assert log_e(nS, nC, kS, kC, tS, tC, a, d) == pytest.approx(value, abs=1e-6)


def expectation(
    pmf_s: Array, pmf_c: Array, n: tuple[float, float], t: tuple[float, float], line: tuple[float, float]
) -> float:
    """E[e] as the exact sum over both arms' counts."""
    kS, kC = np.meshgrid(
        np.arange(len(pmf_s), dtype=float), np.arange(len(pmf_c), dtype=float), indexing="ij"
    )
    values = log_evalue(np.array(n[0]), np.array(n[1]), kS, kC, np.array(t[0]), np.array(t[1]), *line)
    # An e-value alone may be beyond a float where its counts are as improbable as that.
    with np.errstate(divide="ignore"):
        likely = np.log(pmf_s)[:, None] + np.log(pmf_c)[None, :]
    return float(np.exp(values + likely).sum())


def poisson(mean: float, tilt: float) -> Array:
    """The probabilities that matter, also after the e-value has weighted them by tilt^k."""
    top = max(mean, mean * tilt)
    return np.asarray(stats.poisson.pmf(np.arange(int(top + 14 * math.sqrt(top) + 40)), mean))


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("level", [0.3, 1.0, 4.0])
def test_on_the_line_the_expectation_is_one(vector: tuple[float, ...], level: float) -> None:
    """Small services, so that the sum over counts is exact."""
    nS, nC, _, _, tS, tC, a, d, *_ = vector
    scale = 20 / nS
    n = (20.0, max(nC * scale, 1.0))
    x = level * tS
    y = a * x + d
    point = nearest(*n, tS, tC, a, d)
    tilts = tS / point, tC / (a * point + d)
    pmf_s, pmf_c = poisson(n[0] * x, tilts[0]), poisson(n[1] * y, tilts[1])
    assert math.log(expectation(pmf_s, pmf_c, n, (tS, tC), (a, d))) == pytest.approx(0, abs=1e-12)


@given(sizes, sizes, rates, rates, factors, offsets, rates, st.floats(0, 1), st.booleans())
@settings(max_examples=150, deadline=None)
def test_on_the_whole_null_the_expectation_is_at_most_one(
    nS: int, nC: int, tS: float, tC: float, a: float, d: float, x: float, inside: float, binomial: bool
) -> None:
    line = a * tS + d
    assume(abs(tC - line) > 1e-4)
    above = tC > line
    assume(inside == 0 or inside > 1e-9)  # scipy overflows at the smallest numbers there are
    y = inside * (a * x + d) if above else (a * x + d) + inside * 0.2
    assume(y <= 1)
    if binomial:
        pmfs = [np.asarray(stats.binom.pmf(np.arange(n + 1), n, p)) for n, p in ((nS, x), (nC, y))]
    else:
        point = nearest(nS, nC, tS, tC, a, d)
        pmfs = [poisson(nS * x, tS / point), poisson(nC * y, tC / (a * point + d))]
    assert expectation(pmfs[0], pmfs[1], (nS, nC), (tS, tC), (a, d)) <= 1 + 1e-9


@given(sizes, sizes, rates, rates, st.floats(0.02, 0.3), st.floats(1, 3))
@settings(max_examples=60, deadline=None)
def test_mixing_levels_and_capping_keep_the_expectation(
    nS: int, nC: int, level: float, x: float, margin: float, phi: float
) -> None:
    """Of both directions, at a point of the null, with both arms' counts over a dispersion."""
    kS, kC = np.meshgrid(np.arange(nS + 1.0), np.arange(nC + 1.0), indexing="ij")
    n = np.stack(np.broadcast_arrays(np.array(float(nS)), np.array(float(nC))))[None, None] / phi
    k = np.stack((kS.ravel(), kC.ravel()), axis=-1)[:, None] / phi
    levels = np.full((kS.size, 1), level)
    p = x, min(1.0, 1.1 * x + 0.0005)
    pmf = (stats.binom.pmf(kS, nS, p[0]) * stats.binom.pmf(kC, nC, p[1])).ravel()
    values = mixed(n, k, levels, worse(levels[:, 0], 1.1, 0.0005, 8, 3), 1.1, 0.0005)
    assert values.max() <= LOG_CAP
    assert (np.exp(values).mean(axis=1) * pmf).sum() <= 1 + 1e-9
    y = min(1.0, x + margin)
    assume(y == x + margin)
    pmf = (stats.binom.pmf(kS, nS, x) * stats.binom.pmf(kC, nC, y)).ravel()
    margins = np.full((kS.size, 1), margin)
    values = mixed(n, k, levels, no_worse(levels[:, 0], margins[:, 0], 3), 1.0, margins)
    assert (np.exp(values).mean(axis=1) * pmf).sum() <= 1 + 1e-9


@given(sizes, sizes, st.integers(0, 30), st.integers(0, 30), rates, rates, factors, offsets)
def test_more_canary_errors_speak_against_it(
    nS: int, nC: int, kS: int, kC: int, tS: float, tC: float, a: float, d: float
) -> None:
    line = a * tS + d
    assume(abs(tC - line) > 1e-6)
    step = log_e(nS, nC, kS, kC + 1, tS, tC, a, d) - log_e(nS, nC, kS, kC, tS, tC, a, d)
    assert step > 0 if tC > line else step < 0


@given(st.integers(0, 50), rates, rates, factors, offsets)
def test_an_arm_without_requests_says_nothing(n: int, tS: float, tC: float, a: float, d: float) -> None:
    assert log_e(n, 0, 0, 0, tS, tC, a, d) == 0
    assert log_e(0, n, 0, 0, tS, tC, a, d) == 0


def test_alternatives_lie_on_their_side_of_the_line() -> None:
    level = np.array([1e-6, 1e-3, 0.05, 0.5])
    bound = 1.1 * level[:, None] * LEVELS + 0.0005
    assert (worse(level, 1.1, 0.0005, 8, 3) >= 1.6 * bound[:, None] * (1 - 1e-12)).all()
    margin = np.full(4, 0.01)
    assert (no_worse(level, margin, 3) < (level[:, None] * LEVELS + 0.01)[:, None]).all()


def test_the_last_alternative_is_a_rate_of_seven_tenths() -> None:
    assert worse(np.array([0.001]), 1.1, 0.0005, 8, 3)[0, -1, 0] == pytest.approx(0.70)
    assert worse(np.array([0.001]), 1.1, 0.0005, 8, 3)[0, 0, 0] == pytest.approx(1.6 * 0.0016)


def test_the_mean_of_exponentials_does_not_overflow() -> None:
    values = np.array([[900.0, 900.0], [-900.0, -900.0]])
    assert log_mean_exp(values) == pytest.approx([900, -900])


def test_stable_comes_first() -> None:
    assert (STABLE, CANARY) == (0, 1)

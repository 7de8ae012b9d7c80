"""The e-value of one scrape of two arms against "no worse than a x + d", and against "worse".

For counts that are Poisson (or sums of independent Bernoulli variables, whatever their rates) with stable's
rate x and the canary's y, the null is the half plane on one side of the line y = a x + d. The alternative
(tS, tC), chosen before the scrape, says which: above the line it attacks "not worse", below it "worse". The
likelihood ratio against the alternative's Kullback-Leibler projection on the line has

    log E[e] = g (y - a x - d),  g = nC (tC / y0 - 1)

and is therefore at most 1 in expectation on all of the null, without estimating the common level. Averaging,
products over time and capping from above keep that. Conditional relatives: Lindon and Malek, arXiv
2011.03567; Turner, Ly and Gruenwald, arXiv 2106.02693; affine nulls: Turner and Gruenwald, arXiv 2203.09785.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STABLE, CANARY = 0, 1

# Levels common to both arms that a scrape may have, as multiples of the reference, with their weights: a
# burst that meets both arms costs log(1 / weight), not hundreds.
LEVELS = np.array((1.0, 6.0, 40.0))
LEVEL_WEIGHTS = np.array((0.96, 0.025, 0.015))
# For errors all of them, for tails and bad pods, which no burst multiplies by forty, the first two.
ERROR_LEVELS, OTHER_LEVELS = 3, 2
# No scrape alone may decide.
LOG_CAP = 5.0


def project(nS: Array, nC: Array, tS: Array, tC: Array, a: float, d: Array | float) -> Array:
    """Stable's rate x of the point (x, a x + d) nearest to (tS, tC) in the sense of Kullback and Leibler."""
    A = a * (nS + a * nC)
    B = d * (nS + a * nC) - a * (nS * tS + nC * tC)
    product = nS * tS * d
    root = np.sqrt(B * B + 4 * A * product)
    # The two forms are equal; each is taken where it adds rather than cancels.
    rising = B > 0
    top = np.where(rising, 2 * product, root - B)
    bottom = np.where(rising, B + root, 2 * A)
    return top / bottom


def log_evalue(
    nS: Array, nC: Array, kS: Array, kC: Array, tS: Array, tC: Array, a: float, d: Array | float
) -> Array:
    """The logarithm of the scrape's e-value; all arguments broadcast. Zero where an arm has no requests.

    n: requests, k: errors (both divided by the arm's dispersion), (tS, tC): the alternative, the line
    y = a x + d.
    """
    both = (nS > 0) & (nC > 0)
    nS, nC = np.where(both, nS, 1.0), np.where(both, nC, 1.0)
    x = project(nS, nC, tS, tC, a, d)
    y = a * x + d
    log_e = -nS * (tS - x) - nC * (tC - y) + kS * np.log(tS / x) + kC * np.log(tC / y)
    return np.where(both, log_e, 0.0)


def level_weights(levels: int) -> Array:
    """Of the first `levels`."""
    return np.asarray(LEVEL_WEIGHTS[:levels] / LEVEL_WEIGHTS[:levels].sum())


def mixed(
    n: Array,
    k: Array,
    level: Array,
    alternatives: Array,
    a: float,
    d: Array | float,
    levels: int = ERROR_LEVELS,
) -> Array:
    """The capped logarithm of the scrape's e-value, averaged over common levels.

    n, k: [..., 1, 2], the effective counts of stable and canary; level: [..., 1], stable's reference rate;
    alternatives: [..., J, levels], the canary's rate of each alternative at each common level. Returns
    [..., J].
    """
    weights = np.log(level_weights(levels))
    tS = level[..., None] * LEVELS[:levels]
    column = (..., None)
    log_e = log_evalue(
        n[..., STABLE][column],
        n[..., CANARY][column],
        k[..., STABLE][column],
        k[..., CANARY][column],
        tS,
        alternatives,
        a,
        d if isinstance(d, float) else d[column],
    )
    return np.minimum(log_mean_exp(log_e + weights, weighted=True), LOG_CAP)


def log_mean_exp(values: Array, weighted: bool = False) -> Array:
    """log(mean(exp(values))) over the last axis; `weighted`: the sum, of weights already added."""
    top = values.max(axis=-1, keepdims=True)
    total = np.log(np.exp(values - top).sum(axis=-1)) + top[..., 0]
    return np.asarray(total if weighted else total - np.log(values.shape[-1]))


def worse(level: Array, a: float, d: float, count: int, levels: int) -> Array:
    """Alternatives [..., count, levels] above the line, from 1.6 times the bound up to a rate of 0.70.

    Denser near the bound: the exponent 1.3 puts more of them where evidence comes slowly. At a common level
    l the bound is a l x + d and each alternative keeps its ratio to the bound.
    """
    bound = a * level + d
    span = np.maximum(0.70 / (1.6 * bound), 1.0)
    steps = (np.arange(count) / (count - 1)) ** 1.3
    ratio = 1.6 * span[..., None] ** steps
    bounds = a * level[..., None] * LEVELS[:levels] + d
    return np.asarray(ratio[..., :, None] * bounds[..., None, :])


def no_worse(level: Array, margin: Array, levels: int) -> Array:
    """Alternatives [..., 3, levels] below the line: stable's rate, half of it, a fifth of the margin up."""
    tS = level[..., None] * LEVELS[:levels]
    fifth = np.broadcast_to(0.2 * margin[..., None], tS.shape)
    return np.stack((tS, 0.5 * tS, tS + fifth), axis=-2)

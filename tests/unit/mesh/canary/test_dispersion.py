"""How strongly errors cluster."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mesh.canary.dispersion import MARGIN, canary_dispersion, dispersion
from mesh.canary.evidence import Array
from mesh.canary.model import PodSample
from mesh.canary.pods import bad_from, bad_pods, culprit


def counts(rng: np.random.Generator, runs: int, batch: int, rate: float) -> tuple[Array, Array]:
    n = rng.poisson(700, (runs, 240, 10)).astype(float)
    return n, batch * rng.poisson(n * rate / batch).astype(float)


def test_lone_errors_have_no_dispersion() -> None:
    phi = dispersion(*counts(np.random.default_rng(1), 50, 1, 0.005), 1.0)
    assert (phi == 1).all()


@pytest.mark.parametrize("batch", [4, 20])
def test_batches_have_their_size_and_the_margin(batch: int) -> None:
    phi = dispersion(*counts(np.random.default_rng(2), 50, batch, 0.01), 1.0)
    assert np.median(phi) == pytest.approx(MARGIN * batch, rel=0.15)


def test_a_level_that_moves_for_all_pods_is_not_clustering() -> None:
    rng = np.random.default_rng(3)
    n = rng.poisson(700, (20, 240, 10)).astype(float)
    level = np.where(rng.random((20, 240, 1)) < 0.05, 0.2, 0.001)
    phi = dispersion(n, rng.binomial(n.astype(int), np.broadcast_to(level, n.shape)).astype(float), 1.0)
    assert (phi == 1).all()


def test_few_errors_say_nothing() -> None:
    n, k = np.full((1, 240, 5), 100.0), np.zeros((1, 240, 5))
    k[0, 7, 2] = 9
    assert dispersion(n, k, 2.0) == [2.0]
    k[0, 7, 2] = 10
    assert dispersion(n, k, 2.0) == pytest.approx([MARGIN * 10])


def test_pods_with_unequal_traffic_are_not_clustered() -> None:
    rng = np.random.default_rng(4)
    n = rng.poisson(np.array([100, 300, 900]), (30, 240, 3)).astype(float)
    assert (dispersion(n, rng.poisson(0.01 * n).astype(float), 1.0) == 1).all()


def test_a_canary_pod_with_little_traffic_has_small_bursts() -> None:
    phi = np.full(4, 20.0)
    per_pod = np.array([0.0, 100.0, 1000.0, 5000.0])
    assert canary_dispersion(phi, per_pod, np.full(4, 1000.0)) == pytest.approx([1, 2, 20, 20])


@pytest.mark.parametrize("slo", [0.001, 0.01, 0.05])
def test_the_bound_of_a_bad_pod_is_the_binomials(slo: float) -> None:
    for n in [*range(1, 200), 750, 1000, 7500, 123_456]:
        assert bad_from(n, slo) == stats.binom.isf(0.01, n, slo) + 1, n


def test_a_pod_without_requests_is_no_unit() -> None:
    pods = [PodSample(0, 0), PodSample(100, 0), PodSample(100, 50)]
    assert bad_pods(pods, 0.01) == (2, 1)


@pytest.mark.parametrize(
    ("errors", "name"),
    [((9, 1, 0), "a"), ((8, 1, 1), None), ((4, 0, 0), None), ((20, 0), None), ((0, 0, 50, 2), "c")],
)
def test_one_pod_with_nearly_all_errors_is_the_culprit(errors: tuple[int, ...], name: str | None) -> None:
    pods = {letter: PodSample(100, count) for letter, count in zip("abcd", errors, strict=False)}
    assert culprit(pods) == name

"""How slow requests cluster, out of scrapes that do not tell pods apart."""

from __future__ import annotations

import numpy as np
import pytest

from mesh.canary.dispersion import over_time
from mesh.canary.model import ArmSample
from mesh.canary.runs.eyes import tail_dispersion

RANDOM = np.random.default_rng(7)


def test_slow_requests_one_by_one_do_not_cluster_however_the_level_moves() -> None:
    n = RANDOM.poisson(500, 720).astype(float)
    level = np.linspace(0.01, 0.06, 720)
    k = RANDOM.binomial(n.astype(int), level)[:, None].astype(float)
    assert over_time(n, k, 2.0) == 1.0


@pytest.mark.parametrize("batch", [3, 8])
def test_batches_are_found_with_their_size(batch: int) -> None:
    n = RANDOM.poisson(500, 720).astype(float)
    k = (batch * RANDOM.poisson(10 / batch, 720))[:, None].astype(float)
    assert batch <= over_time(n, k, 2.0) <= 2 * batch


def test_the_worst_edge_counts_and_few_events_say_nothing() -> None:
    n = RANDOM.poisson(500, 720).astype(float)
    calm, batches = RANDOM.poisson(10, 720), 5 * RANDOM.poisson(2, 720)
    rare = np.zeros(720)
    rare[3] = 9
    k = np.stack((calm, batches, rare), axis=1).astype(float)
    assert over_time(n, k, 2.0) >= 5
    assert over_time(n, rare[:, None], 2.0) == 2.0
    assert over_time(np.zeros(0), np.zeros((0, 3)), 2.0) == 2.0


def test_a_short_history_is_believed_neither_to_be_calm_nor_wild() -> None:
    calm = [ArmSample(500, 0, (int(slow),)) for slow in RANDOM.poisson(10, 720)]
    assert tail_dispersion(calm) == 1.0
    assert tail_dispersion(calm[:10]) == 2.0
    assert tail_dispersion([]) == 2.0
    stalled = [*calm[:5], ArmSample(500, 0, (100,)), *calm[6:]]
    assert tail_dispersion(stalled[:300]) == 2.0
    assert tail_dispersion(stalled) < 4.0

"""Envoy takes whatever the schemas accept: configurations out of the tables, judged in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from mesh.local.model import Resource, Snapshot
from tests.mesh.translate.judged import refusal
from tests.unit.mesh.generated.configurations import configurations
from tests.unit.mesh.generated.smaller import culprits, smallest, written
from tests.unit.mesh.translate.test_total import translations

# Hypothesis asks about one example after the other, hundreds of times to make one smaller. Envoy takes
# seconds to start and judges many at once: they are gathered, judged in batches, made smaller by leaving out.
BATCH = 40
JUDGED = ("reviews", "gateway")  # what the others are told is part of what a sidecar that serves is


def _generated(count: int) -> list[list[Resource]]:
    found: list[list[Resource]] = []
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]

    @settings(max_examples=count, phases=[Phase.generate], database=None, suppress_health_check=quiet)
    @given(configurations())
    def collect(resources: list[Resource]) -> None:
        found.append(resources)

    collect()
    return found


def _told(resources: Sequence[Resource]) -> list[Snapshot]:
    made = translations(resources) or {}
    return [made[name] for name in JUDGED if made]


def _judge(count: int, folder: Path) -> None:
    def refused(batch: Sequence[Sequence[Resource]]) -> bool:
        made = [each for resources in batch for each in _told(resources)]
        return bool(made) and refusal(made, folder) is not None

    generated = _generated(count)
    for start in range(0, count, BATCH):
        for culprit in culprits(generated[start : start + BATCH], refused):
            minimal = smallest(culprit, lambda resources: refused([resources]))
            why = refusal(_told(minimal), folder) or ""
            pytest.fail(
                f"Envoy refuses what this asks for:\n{written(minimal)}\n{why[:600]} ... {why[-300:]}"
            )


def test_envoy_takes_what_the_tables_can_say(tmp_path: Path) -> None:
    _judge(BATCH, tmp_path)


@pytest.mark.slow
def test_envoy_takes_much_of_what_the_tables_can_say(tmp_path: Path) -> None:
    _judge(max(1000, settings().max_examples), tmp_path)

"""How far an Envoy has followed istiod, out of its statistics."""

from __future__ import annotations

import pytest

from mesh.local.istiod.stream import Progress

TEXT = """cluster.generation-7.membership_total: 0
cluster_manager.cds.update_rejected: 0
cluster_manager.cds.version_text: "2026-11-27T05:58:34Z/15"
cluster_manager.warming_clusters: 0
http.egress.rds.egress.version_text: "b2626be2f5d9d720"
http.outbound_0.0.0.0_80;.rds.80.version_text: "2026-11-27T05:58:34Z/15"
listener_manager.lds.update_rejected: 2
listener_manager.lds.version_text: "2026-11-27T05:58:34Z/15"
listener_manager.total_filter_chains_draining: 1
listener_manager.total_listeners_draining: 0
listener_manager.total_listeners_warming: 0
"""


def test_an_envoy_has_a_generation_when_all_types_are_of_its_push() -> None:
    progress = Progress.read(TEXT)
    assert progress.has(7)
    assert not progress.has(8)
    assert (progress.rejected, progress.draining, progress.egress) == (2, 1, "b2626be2f5d9d720")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('rds.80.version_text: "2026-11-27T05:58:34Z/15"', 'rds.80.version_text: "2026-11-27T05:58:33Z/14"'),
        ('lds.version_text: "2026-11-27T05:58:34Z/15"', 'lds.version_text: "2026-11-27T05:58:33Z/9"'),
        ("warming_clusters: 0", "warming_clusters: 1"),
        ("total_listeners_warming: 0", "total_listeners_warming: 1"),
        ("generation-7", "generation-6"),
    ],
)
def test_one_type_that_lags_behind_is_waited_for(old: str, new: str) -> None:
    assert old in TEXT
    assert not Progress.read(TEXT.replace(old, new)).has(7)


def test_an_envoy_that_has_nothing_yet_has_no_generation() -> None:
    assert not Progress.read("").has(0)

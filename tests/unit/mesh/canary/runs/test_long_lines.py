"""A line longer than a journal's may be is neither written nor taken for a torn one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.canary.runs import journal
from mesh.canary.runs.journal import DamagedJournal, Journal
from tests.unit.mesh.canary.runs import journals


def test_an_event_that_nobody_could_read_again_does_not_happen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jsonl"
    happened = journals.events("promoted")
    kept = Journal(path)
    kept.append(happened[0])
    monkeypatch.setattr(journal, "MAX_LINE_BYTES", 1_000)
    with pytest.raises(OSError, match="longer than a journal's line"):
        kept.append(happened[4])
    kept.append(happened[5])
    kept.close()
    assert list(journal.events(path)) == [happened[0], happened[5]]


def test_a_line_that_is_too_long_is_damage_and_nothing_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = journals.write(tmp_path, "promoted")
    whole = path.read_bytes()
    monkeypatch.setattr(journal, "MAX_LINE_BYTES", 1_000)
    with pytest.raises(DamagedJournal, match=r":5: .*too long"):
        list(journal.events(path))
    with pytest.raises(DamagedJournal, match=r":5: .*too long"):
        Journal(path)
    assert path.read_bytes() == whole

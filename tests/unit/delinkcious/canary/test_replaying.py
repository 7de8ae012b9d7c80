"""A run decided anew: identical over restarts anywhere, and what was changed in it is found."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from delinkcious.canary.replaying import replay
from mesh.canary.views.following import NotAJournal
from tests.unit.mesh.canary.runs import journals


@pytest.mark.parametrize("name", journals.SCRIPTS)
def test_a_replay_decides_as_it_was_decided(name: str, tmp_path: Path) -> None:
    found = replay(journals.write(tmp_path, name))
    assert found.identical
    assert found.first is None
    assert found.decisions > 3
    assert found.restarts == 0
    assert replay(journals.write(tmp_path, name), restart_every=1).identical


@pytest.mark.parametrize("name", ["gated", "rolled_back", "running"])
def test_restarts_at_a_hundred_random_points_change_nothing(name: str, tmp_path: Path) -> None:
    path = journals.write(tmp_path, name)
    events, chance, restarts = replay(path).events, np.random.default_rng(5), 0
    while restarts < 100:
        at = set(chance.integers(7, events + 1, size=8).tolist())
        found = replay(path, at=at)
        assert found.identical
        assert found.restarts == len(at)
        restarts += found.restarts


@pytest.mark.parametrize(
    ("field", "pattern"),
    [
        ("wealth", rb'"wealth":[0-9.]*?([1-9])'),
        ("excess", rb'"excess":\[0\.0,[0-9.]*?([1-9])'),
        ("eta_s", rb'"eta_s":1([1-9])'),
        ("weight", rb'"decision":\{"phase":"progressing","weight":[0-9.]*?([1-9])'),
        ("reason", rb'"reason":"collecting evidence at ([1-9])'),
    ],
)
def test_a_flipped_digit_is_found_with_its_place(field: str, pattern: bytes, tmp_path: Path) -> None:
    path = journals.write(tmp_path, "promoted")
    lines = path.read_bytes().splitlines(keepends=True)
    number = 17
    assert b'"scraped"' in lines[number]
    match = re.search(pattern, lines[number])
    assert match, lines[number][-400:]
    at = match.start(1)
    flipped = bytes([match[1][0] - 1])
    lines[number] = lines[number][:at] + flipped + lines[number][at + 1 :]
    path.write_bytes(b"".join(lines))
    found = replay(path)
    assert found.differing == 1
    assert found.first is not None
    assert (found.first.event, found.first.field) == (number + 1, field)
    assert found.first.recorded != found.first.replayed


def test_another_count_of_errors_is_found_where_it_begins_to_matter(tmp_path: Path) -> None:
    path = journals.write(tmp_path, "promoted")
    lines = path.read_bytes().splitlines(keepends=True)
    number = 17
    lines[number] = re.sub(rb'("canary":\{"requests":\d+,"errors":)\d+', rb"\g<1>30", lines[number])
    path.write_bytes(b"".join(lines))
    found = replay(path)
    assert found.differing > 1
    assert found.first is not None
    assert found.first.event == number + 1


def test_a_torn_last_line_is_no_event_yet(tmp_path: Path) -> None:
    path = journals.write(tmp_path, "promoted")
    events = replay(path).events
    path.write_bytes(path.read_bytes()[:-5])
    found = replay(path)
    assert found.identical
    assert found.events == events - 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it has no event"),
        (b"\x7fELF\x00\xff\n", "1: no event of a rollout"),
        (b"# Readme\n", "1: no event"),
    ],
    ids=["empty", "binary", "text"],
)
def test_what_is_no_journal_is_said(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(NotAJournal, match=sentence):
        replay(path)

"""The file of a backup: whole or not there; a damaged one is told, and a hostile one writes nothing."""

from __future__ import annotations

import datetime as dt
import stat
import tarfile
from pathlib import Path

import msgspec
import pytest

from delinkcious.backup import archive
from delinkcious.backup.archive import Description, NoBackup

KNOWN = ("links", "users")
TAKEN = Description(
    format=archive.FORMAT,
    taken_at=dt.datetime(2026, 11, 27, tzinfo=dt.UTC),
    postgres="18.6",
    databases=("links",),
    events=1,
    parts={},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A backup of two parts."""
    (tmp_path / "links").write_bytes(b"links" * 1_000)
    (tmp_path / "events").write_bytes(b"{}\n")
    parts = {archive.dump_of("links"): tmp_path / "links", archive.EVENTS: tmp_path / "events"}
    archive.write(tmp_path / "backup.tar", TAKEN, parts)
    return tmp_path / "backup.tar"


def test_what_was_written_comes_back(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with archive.opened(file, out, KNOWN) as found:
        assert (found.databases, found.events, found.taken_at) == (TAKEN.databases, 1, TAKEN.taken_at)
        assert (out / "links.dump").read_bytes() == b"links" * 1_000
        assert {part.name for part in out.iterdir()} == {"links.dump", "events.jsonl"}
        assert {stat.S_IMODE(part.stat().st_mode) for part in out.iterdir()} == {0o600}


def test_only_its_owner_can_read_it_and_nothing_half_written_stays(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir() if each.name.endswith(".partial")] == []


def test_a_failure_leaves_the_earlier_file(file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(FileNotFoundError):
        archive.write(file, TAKEN, {"gone": tmp_path / "gone"})
    assert file.read_bytes() == before


@pytest.mark.parametrize("where", [0.3, 0.9])
def test_a_damaged_one_is_refused(file: Path, tmp_path: Path, where: float) -> None:
    content = bytearray(file.read_bytes())
    place = content.index(b"linkslinks") + int(5_000 * where)
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(NoBackup, match=r"damaged: links\.dump"), archive.opened(file, tmp_path, KNOWN):
        pass


def test_one_that_was_cut_off_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_bytes(file.read_bytes()[:3_000])
    with pytest.raises(NoBackup, match="no complete backup"), archive.opened(file, tmp_path, KNOWN):
        pass


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "other", "other")
    for name in ("other", "other.tar"):
        with pytest.raises(NoBackup), archive.opened(tmp_path / name, tmp_path, KNOWN):
            pass


def test_one_of_a_later_format_says_so(file: Path, tmp_path: Path) -> None:
    later = msgspec.structs.replace(TAKEN, format=archive.FORMAT + 1)
    archive.write(file, later, {})
    with (
        pytest.raises(NoBackup, match="has format 2; this program reads 1"),
        archive.opened(file, tmp_path, KNOWN),
    ):
        pass

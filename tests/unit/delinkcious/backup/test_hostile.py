"""A backup that somebody else made: nothing of it is written where, or as what, no part of a backup is."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from delinkcious.backup import archive
from delinkcious.backup.archive import Description, NoBackup

KNOWN = ("links", "users")
PARTS = {"links.dump": b"links", "events.jsonl": b"", "keys.json": b"{}"}

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", **says: Any) -> Member:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in says.items():
        setattr(entry, key, value)
    return entry, content


def described(parts: dict[str, bytes], **says: Any) -> Member:
    """The description of these parts, in all but `says` a right one."""
    description = {
        "format": archive.FORMAT,
        "taken_at": dt.datetime(2026, 11, 27, tzinfo=dt.UTC),
        "postgres": "18.6",
        "databases": ["links"],
        "events": 0,
        "parts": {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()},
    }
    return member(archive.DESCRIPTION, msgspec.json.encode(description | says))


def packed(folder: Path, *members: Member, mode: Literal["w", "w:gz"] = "w") -> Path:
    file = folder / "hostile.tar"
    with tarfile.open(file, mode) as tar:
        for entry, content in members:
            tar.addfile(entry, io.BytesIO(content))
    return file


def all_but(*names: str) -> list[Member]:
    return [member(name, content) for name, content in PARTS.items() if name not in names]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "a" / "out").mkdir(parents=True)
    return tmp_path / "a" / "out"


def refused(file: Path, out: Path) -> str:
    """Why it is; nothing was written anywhere near."""
    near = out.parent.parent
    before = {path: path.lstat().st_mtime_ns for path in near.rglob("*")}
    with pytest.raises(NoBackup) as told, archive.opened(file, out, KNOWN):
        pass
    assert {path: path.lstat().st_mtime_ns for path in near.rglob("*")} == before
    return str(told.value)


def opened(file: Path, out: Path) -> Description:
    with archive.opened(file, out, KNOWN) as found:
        return found


@pytest.mark.parametrize(
    "name",
    [
        "postgres/initialised",
        "postgres/data/postgresql.conf",
        "../links.dump",
        "../../links.dump",
        "x/../links.dump",
        "./links.dump",
        "stranger.dump",
        "secrets.json",
        "links.dump.dump",
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_what_is_no_part_is_refused_before_anything_is_written(
    tmp_path: Path, out: Path, name: str, listed: bool
) -> None:
    parts = PARTS | ({name: b"evil"} if listed else {})
    file = packed(tmp_path, described(parts), *all_but(), member(name, b"evil"))
    assert refused(file, out) == f"{name!r} is no part of a backup"


def test_an_absolute_name_is_neither_written_nor_read(tmp_path: Path, out: Path) -> None:
    for name in (str(tmp_path / "there"), str(out / "links.dump")):
        file = packed(tmp_path, described(PARTS | {name: b"evil"}), *all_but(), member(name, b"evil"))
        assert "is no part of a backup" in refused(file, out)
    # Only said to be there, with the hash of what this machine has there.
    (tmp_path / "mine").write_bytes(b"mine")
    file = packed(tmp_path, described(PARTS | {str(tmp_path / "mine"): b"mine"}), *all_but())
    assert "does not have the parts" in refused(file, out)


@pytest.mark.parametrize("name", ["links.dump", "keys.json", "events.jsonl", archive.DESCRIPTION])
@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
        tarfile.CHRTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_SPARSE,
    ],
)
def test_a_part_is_a_regular_file(tmp_path: Path, out: Path, name: str, kind: bytes) -> None:
    (tmp_path / "mine").write_bytes(PARTS.get(name, b""))
    odd = member(name, type=kind, linkname="" if kind == tarfile.DIRTYPE else str(tmp_path / "mine"))
    first = [] if name == archive.DESCRIPTION else [described(PARTS)]
    assert refused(packed(tmp_path, *first, odd, *all_but(name)), out) == f"{name} is not a regular file"


def test_a_part_is_there_once(tmp_path: Path, out: Path) -> None:
    file = packed(tmp_path, described(PARTS), *all_but(), member("links.dump", b"other"))
    assert refused(file, out) == "links.dump is there twice"


def test_parts_are_those_that_the_description_names(tmp_path: Path, out: Path) -> None:
    for members in ([described(PARTS), *all_but("keys.json")], [described({}), *all_but()]):
        assert "does not have the parts" in refused(packed(tmp_path, *members), out)
    without = {name: content for name, content in PARTS.items() if name != "links.dump"}
    assert "links.dump" in refused(packed(tmp_path, described(without), *all_but("links.dump")), out)


def test_a_description_that_is_none_is_refused(tmp_path: Path, out: Path) -> None:
    for odd in (described(PARTS, events="many"), described(PARTS, postgres="x" * 100_000)):
        refused(packed(tmp_path, odd, *all_but()), out)
    assert "no complete backup" in refused(packed(tmp_path, *all_but()), out)


def test_one_that_grows_when_it_is_read_is_refused(tmp_path: Path, out: Path) -> None:
    refused(packed(tmp_path, described(PARTS), *all_but(), mode="w:gz"), out)


def test_whose_a_part_was_and_who_could_run_it_does_not_matter(tmp_path: Path, out: Path) -> None:
    first = member("links.dump", b"links", mode=0o6777, uid=12_345, gid=12_345)
    opened(packed(tmp_path, described(PARTS), first, *all_but("links.dump")), out)
    found = (out / "links.dump").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, os.getuid())


def test_a_link_that_lies_there_already_is_not_written_through(tmp_path: Path, out: Path) -> None:
    (out / "links.dump").symlink_to(tmp_path / "mine")
    with pytest.raises(FileExistsError):
        opened(packed(tmp_path, described(PARTS), *all_but()), out)
    assert not (tmp_path / "mine").exists()

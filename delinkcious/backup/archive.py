"""The file: a tar with a description first, each part with its hash in it; readable by its owner only."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

FORMAT = 1
DESCRIPTION = "backup.json"
KEYS = "keys.json"
EVENTS = "events.jsonl"
CHUNK_BYTES = 1024 * 1024


class NoBackup(Exception):
    """The file is none of these, or it is damaged."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup has in it; `parts` are names in the tar and their SHA-256."""

    format: int
    taken_at: dt.datetime
    postgres: str
    databases: tuple[str, ...]
    events: int
    parts: dict[str, str]


class Keys(msgspec.Struct, frozen=True):
    """What encrypts signing keys and signs sessions; see delinkcious.secrets."""

    key_encryption_key: str
    cookie_key: str


def dump_of(database: str) -> str:
    """The part that is a database."""
    return f"{database}.dump"


def write(file: Path, description: Description, parts: Mapping[str, Path]) -> None:
    """Write all of it, or nothing: the file is there when it is complete."""
    hashes = {name: _hash(path) for name, path in parts.items()}
    complete = msgspec.json.encode(msgspec.structs.replace(description, parts=hashes))
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                entry = tarfile.TarInfo(DESCRIPTION)
                entry.size = len(complete)
                tar.addfile(entry, io.BytesIO(complete))
                for name, path in parts.items():
                    tar.add(path, arcname=name, filter=_plain)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def opened(file: Path, folder: Path) -> Iterator[Description]:
    """Its parts as files of `folder`, each compared with its hash. Raises NoBackup, OSError."""
    try:
        with tarfile.open(file) as tar:
            first = tar.extractfile(DESCRIPTION)
            assert first is not None  # noqa: S101 - extractfile raises KeyError for what is not there
            description = msgspec.json.decode(first.read(), type=Description)
            if description.format != FORMAT:
                raise NoBackup(f"{file} has format {description.format}; this program reads {FORMAT}")
            for name in description.parts:
                tar.extract(name, folder, filter="data")
    except (tarfile.TarError, KeyError, msgspec.MsgspecError, EOFError) as error:
        raise NoBackup(f"{file} is no complete backup: {error}") from error
    for name, known in description.parts.items():
        if _hash(folder / name) != known:
            raise NoBackup(f"{file} is damaged: {name} is not what was written")
    yield description


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without whose it was."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

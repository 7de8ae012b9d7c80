"""The file: a tar with a description first, each part with its hash in it; readable by its owner only."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import tarfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from services.kit.settings import InvalidSettings, Secret
from services.users.encryption import KeyEncryption
from services.web import keys as cookies

FORMAT = 1
DESCRIPTION = "backup.json"
KEYS = "keys.json"
EVENTS = "events.jsonl"
CHUNK_BYTES = 1024 * 1024
DESCRIPTION_BYTES = 64 * 1024


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
def opened(file: Path, folder: Path, databases: Collection[str]) -> Iterator[Description]:
    """Its parts as files of `folder`, each compared with its hash. Raises NoBackup, OSError.

    Whoever made the file decides nothing but what is in the parts of a backup of these databases: all that is
    in it is judged by name and kind before anything is written.
    """
    try:
        # No compression: nothing in it is larger than the file itself.
        with tarfile.open(file, "r:") as tar:
            members = _judged(tar, {DESCRIPTION, KEYS, EVENTS, *map(dump_of, databases)})
            description = _description(tar, members.pop(DESCRIPTION))
            missing = {EVENTS, *map(dump_of, description.databases)} - members.keys()
            if missing or members.keys() != description.parts.keys():
                names = ", ".join(sorted(missing or members.keys() ^ description.parts.keys()))
                raise NoBackup(f"{file} does not have the parts that it is said to have: {names}")
            for name, member in members.items():
                if _written(tar, member, folder / name) != description.parts[name]:
                    raise NoBackup(f"{file} is damaged: {name} is not what was written")
    except (tarfile.TarError, KeyError, ValueError, msgspec.MsgspecError, EOFError) as error:
        raise NoBackup(f"{file} is no complete backup: {error}") from error
    yield description


def keys(file: Path) -> Keys:
    """The keys in that part, as the services that use them take them. Raises NoBackup when one is none."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Keys)
        KeyEncryption(Secret(found.key_encryption_key))
        cookies.Keys(Secret(found.cookie_key))
    except InvalidSettings as error:
        raise NoBackup(f"{file.name} has a key that is none: {error}") from None
    except (ValueError, msgspec.MsgspecError):
        # Without what was there: it may be a key.
        raise NoBackup(f"{file.name} has no keys in it") from None
    return found


def _judged(tar: tarfile.TarFile, taken: Collection[str]) -> dict[str, tarfile.TarInfo]:
    """All that is in it by name; each name is one of `taken`, and a regular file that is there once."""
    found: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        if member.name not in taken:
            raise NoBackup(f"{member.name!r} is no part of a backup")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
            raise NoBackup(f"{member.name} is not a regular file")
        if member.name in found:
            raise NoBackup(f"{member.name} is there twice")
        found[member.name] = member
    return found


def _description(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Description:
    if member.size > DESCRIPTION_BYTES:
        raise NoBackup(f"{DESCRIPTION} is larger than any description")
    description = msgspec.json.decode(_content(tar, member).read(), type=Description)
    if description.format != FORMAT:
        raise NoBackup(f"this backup has format {description.format}; this program reads {FORMAT}")
    return description


def _written(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> str:
    """Its content as a new file that only its owner can read, whatever it was; returns its hash."""
    known = hashlib.sha256()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "wb") as stream, _content(tar, member) as content:
        while chunk := content.read(CHUNK_BYTES):
            known.update(chunk)
            stream.write(chunk)
    return known.hexdigest()


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise NoBackup(f"{member.name} is not a regular file")
    return content


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without whose it was."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

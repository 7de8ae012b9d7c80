"""Where runs lie: FOLDER/NAMESPACE/SERVICE/RUN.jsonl, and beside each what people have said to it.

Any process of the user may begin a run, say something to one, and read them all; one process drives them.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mesh.canary.runs.journal import Began, DamagedJournal, Ended, Journal, Verb, last

JOURNAL, COMMANDS, LOCK = ".jsonl", ".commands.jsonl", ".lock"
_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


class FolderError(Exception):
    """A sentence for a person."""


class Busy(FolderError):
    """Somebody else drives the runs of this folder, or a service has a run already."""


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command as it was given; `id` is that of the request, where requests have one."""

    verb: Verb
    by: str
    gate: str = ""
    id: str = ""


class Folder:
    """The runs of one installation. Made private to the user."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def new_run(self, now: datetime | None = None) -> str:
        """A name for a run that begins now; names sort by time."""
        return f"{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

    def runs(self, service: str | None = None) -> list[Path]:
        """The journals there are, of one service or of all, the oldest first."""
        found = [
            file
            for file in self.path.glob(f"*/*/*{JOURNAL}")
            if _RUN.fullmatch(name_of(file)) and service in (None, file.parent.name)
        ]
        return sorted(found, key=lambda file: file.name)

    def find(self, name: str) -> Path:
        """The journal of a run by its name, or of a service's last run. Raises FolderError."""
        runs = self.runs()
        found = [file for file in runs if file.name == name + JOURNAL or file.parent.name == name]
        if not found:
            raise FolderError(f"no run and no service with runs is called {name!r}")
        return found[-1]

    def unfinished(self, service: str | None = None) -> list[Path]:
        """Those that nobody has ended. A damaged journal counts as unfinished: a person has to look."""
        return [file for file in self.runs(service) if not _is_ended(file)]

    def begin(self, began: Began) -> Path:
        """Write down that a run begins. Raises Busy when its service has one; OSError."""
        rollout = began.rollout
        folder = self.path / rollout.metadata.namespace / rollout.spec.service
        for made in (self.path, folder.parent, folder):
            made.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder / LOCK):
            for other in self.unfinished(rollout.spec.service):
                if other.parent == folder:
                    raise Busy(
                        f"{rollout.spec.service} has a run already: {other.name.removesuffix(JOURNAL)}"
                    )
            path = folder / (began.run + JOURNAL)
            # A reader sees the run with its beginning or not at all.
            made_here = path.with_name(f".{path.name}.new")
            journal = Journal(made_here)
            try:
                journal.append(began)
            finally:
                journal.close()
            os.rename(made_here, path)
        return path

    def say(self, journal: Path, said: Said) -> None:
        """Leave a command for who drives the run. Raises OSError."""
        file = _commands(journal)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(file, flags, 0o600)
        try:
            os.write(handle, msgspec.json.encode(said) + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)

    def said(self, journal: Path, after: int) -> list[tuple[int, Said]]:
        """The commands behind the first `after`, with their numbers; what is none is skipped, and counted."""
        try:
            lines = _commands(journal).read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        found: list[tuple[int, Said]] = []
        for number, line in enumerate(lines[after:], start=after + 1):
            try:
                found.append((number, msgspec.json.decode(line, type=Said)))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue
        return found

    @contextmanager
    def driven(self) -> Iterator[None]:
        """Be the only one who drives runs. Raises Busy."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.path / LOCK, wait=False):
            yield


def name_of(journal: Path) -> str:
    """The run whose journal that is."""
    return journal.name.removesuffix(JOURNAL)


def _commands(journal: Path) -> Path:
    return journal.with_name(name_of(journal) + COMMANDS)


def _is_ended(journal: Path) -> bool:
    try:
        return isinstance(last(journal), Ended)
    except (DamagedJournal, OSError):
        return False


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another controller drives the runs in {path.parent}") from None
        yield
    finally:
        os.close(handle)

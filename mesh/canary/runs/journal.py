"""What happened in a run, event by event: one JSON line each, only ever appended, the whole state of the run.

The line is on the disk before anything follows from it. A process that dies leaves at most a torn last line,
which nothing has followed from: it is cut off when the journal is opened again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from mesh.canary.model import ArmSample, Decision, Observation
from mesh.canary.runs.rollout import Rollout

Stage = Literal["preparing", "warming", "mirroring", "trying", "stepping", "promoting", "retreating", "ended"]
Verdict = Literal["promoted", "rolled_back", "inconclusive", "aborted"]
Verb = Literal["approve", "pause", "resume", "abort", "promote"]

MAX_LINE_BYTES = 32 * 2**20
TAIL_BYTES = 4096


class DamagedJournal(ValueError):
    """A line that is no event, and which."""


class _Event(msgspec.Struct, frozen=True, tag_field="event", omit_defaults=True, kw_only=True):
    """`at` is in Unix seconds."""

    at: float


class Began(_Event, tag="began", frozen=True, kw_only=True):
    """`stable` and `canary` are subsets with the roles they have in this run, `replicas` stable's pods.

    `deployment` is the canary's, as it is applied, `base` the name of stable's; `revision` names what the
    canary's pods are made of, `changed` says how they differ from stable's. `asked` is the id of the request
    that it began by, where requests have one.
    """

    run: str
    by: str
    rollout: Rollout
    stable: str
    canary: str
    replicas: int
    revision: str
    base: str
    deployment: dict[str, Any]
    changed: tuple[str, ...] = ()
    asked: str = ""

    @property
    def name(self) -> str:
        """The canary's Deployment."""
        return str(self.deployment["metadata"]["name"])


class Entered(_Event, tag="entered", frozen=True, kw_only=True):
    """A stage has begun; into the retreat with the verdict it will end by."""

    stage: Stage
    why: str
    verdict: Verdict | None = None


class Learned(_Event, tag="learned", frozen=True, kw_only=True):
    """What stable was like before, and how its slow requests cluster: the decision begins with this."""

    history: tuple[ArmSample, ...]
    expected_rps: float | None = None
    tail_dispersion: float = 1.0


class Scraped(_Event, tag="scraped", frozen=True, kw_only=True):
    """One scrape, or why there was none, and the decision that followed."""

    observation: Observation | None = None
    failed: str = ""
    decision: Decision


class Writing(_Event, tag="writing", frozen=True, kw_only=True):
    """What is about to be put in force: found there later, it is the controller's own."""

    percent: int
    header: bool = False
    mirror: bool = False


class Written(_Event, tag="written", frozen=True, kw_only=True):
    """The canary's share in percent that every proxy has since `at`; whether the header's route stands, and
    the one with copies."""

    percent: int
    header: bool = False
    mirror: bool = False
    version: str


class Overwritten(_Event, tag="overwritten", frozen=True, kw_only=True):
    """Somebody else has changed the weights: what was found, None where they could not be read as two."""

    percent: int | None


class Scaled(_Event, tag="scaled", frozen=True, kw_only=True):
    """A Deployment was asked to have so many pods."""

    deployment: str
    replicas: int


class Replaced(_Event, tag="replaced", frozen=True, kw_only=True):
    """One canary pod had nearly all of the errors and was replaced, once, before the version is blamed."""

    pod: str
    errors: int


class Gated(_Event, tag="gated", frozen=True, kw_only=True):
    """What a gate said when it was asked before a move."""

    gate: str
    open: bool
    why: str = ""


class Commanded(_Event, tag="commanded", frozen=True, kw_only=True):
    """A person's word; `number` counts them, so that each is taken once."""

    number: int
    verb: Verb
    by: str
    gate: str = ""


class Ended(_Event, tag="ended", frozen=True, kw_only=True):
    verdict: Verdict
    reason: str


Event = (
    Began
    | Entered
    | Learned
    | Scraped
    | Writing
    | Written
    | Overwritten
    | Scaled
    | Replaced
    | Gated
    | Commanded
    | Ended
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


class Journal:
    """The file of one run, held open by the one who drives it."""

    def __init__(self, path: Path) -> None:
        """Open it, cut off a torn last line. Raises DamagedJournal, OSError."""
        self.path = path
        kept = sum(len(line) for line in _whole_lines(path)) if path.exists() else 0
        self._file = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        os.ftruncate(self._file, kept)

    def append(self, event: Event) -> None:
        """Returns when it is on the disk. Raises OSError, and the event has not happened."""
        line = memoryview(_encoder.encode(event) + b"\n")
        if len(line) > MAX_LINE_BYTES:
            raise OSError(errno.EFBIG, "an event is longer than a journal's line may be", str(self.path))
        before = os.fstat(self._file).st_size
        try:
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def close(self) -> None:
        os.close(self._file)


def events(path: Path) -> Iterator[Event]:
    """All that happened so far, also while somebody appends. Raises DamagedJournal, OSError."""
    for number, line in enumerate(_whole_lines(path), start=1):
        try:
            yield _decoder.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DamagedJournal(f"{path}:{number}: no event of a rollout: {error}") from error


def first(path: Path) -> Began:
    """How the run began. Raises DamagedJournal, OSError."""
    event = next(events(path), None)
    if not isinstance(event, Began):
        raise DamagedJournal(f"{path}: its first line begins no run")
    return event


def last(path: Path) -> Event | None:
    """The newest event, without reading the others. Raises DamagedJournal, OSError."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        span = TAIL_BYTES
        while True:
            file.seek(max(0, size - span))
            lines = file.read(min(span, size)).split(b"\n")[:-1]
            if len(lines) > 1 or (lines and span >= size):
                break
            if span >= size:
                return None
            span *= 8
    try:
        event: Event = _decoder.decode(lines[-1])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DamagedJournal(f"{path}: its last line is no event of a rollout: {error}") from error
    return event


def _whole_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == MAX_LINE_BYTES:
                    # Not torn, and not the last: what follows must neither be overlooked nor cut off.
                    raise DamagedJournal(f"{path}:{number}: no event of a rollout: it is too long")
                return
            yield line

"""A journal read as it grows: each look takes in what is new."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from mesh.canary.runs.journal import MAX_LINE_BYTES, Event
from mesh.canary.runs.run import NotARun
from mesh.canary.views.story import Story, begin

_decoder = msgspec.json.Decoder(Event)


class NotAJournal(ValueError):
    """A file that tells of no run, as a sentence."""


class Follower:
    """One journal. `story` is None before its first whole line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.story: Story | None = None
        self._taken = 0
        self._file: tuple[int, int] | None = None

    def look(self) -> list[bytes]:
        """Take in what is new; its lines. A torn last line is none yet. Raises NotAJournal, OSError.

        A file that has become shorter lost an event that did not happen: it is read anew.
        """
        with self.path.open("rb") as file:
            known = os.fstat(file.fileno())
            if (known.st_dev, known.st_ino) != self._file or known.st_size < self._taken:
                self.story, self._taken = None, 0
                self._file = (known.st_dev, known.st_ino)
            file.seek(self._taken)
            found: list[bytes] = []
            while (line := file.readline(MAX_LINE_BYTES)).endswith(b"\n"):
                self._take(line)
                self._taken += len(line)
                found.append(line)
            if len(line) >= MAX_LINE_BYTES:
                raise NotAJournal(f"{self.path} is no journal of a rollout: a line is longer than any event")
        return found

    def _take(self, line: bytes) -> None:
        number = 1 if self.story is None else self.story.events + 1
        try:
            event: Event = _decoder.decode(line)
            if self.story is None:
                self.story = begin(event)
            else:
                self.story.take(event)
        except (msgspec.MsgspecError, ValueError, NotARun) as error:
            raise NotAJournal(f"{self.path} is no journal of a rollout: line {number}: {error}") from error


def read(path: Path) -> Story:
    """The run of a journal. Raises NotAJournal, OSError."""
    follower = Follower(path)
    follower.look()
    if follower.story is None:
        raise NotAJournal(f"{path} is no journal of a rollout: it has no event")
    return follower.story

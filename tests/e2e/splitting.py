"""Edits of the watched file that splits the traffic of a service between its versions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.installation import Installation, eventually

EFFECTIVE = re.compile(r"\(effective after ([\d.]+) ms")


@dataclass(frozen=True)
class Policy:
    """The watched file that splits the traffic of a service."""

    installation: Installation
    file: Path
    original: str

    def effects(self) -> list[float]:
        """How long each change so far took to be effective everywhere (ms), as the supervisor printed it."""
        return [float(found) for found in EFFECTIVE.findall(self.installation.log())]

    def split(self, first: int, second: int, write: Callable[[Path, str], None]) -> float:
        """Edit the weights; returns once that is in force, with the time it took (ms)."""
        return self.edit(self.weighted(first, second), write)

    def edit(self, text: str, write: Callable[[Path, str], None]) -> float:
        before = len(self.effects())
        write(self.file, text)
        return eventually(lambda: self.effects()[before:], 60, "the edit is effective")[0]

    def weighted(self, first: int, second: int) -> str:
        weights = iter((first, second))
        return re.sub(r"weight: \d+", lambda _: f"weight: {next(weights)}", self.original)


def renamed_into_place(file: Path, text: str) -> None:
    """As vim and most editors save."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text)
    os.replace(beside, file)


def truncated_and_written(file: Path, text: str) -> None:
    """As nano, `>` and simple editors save."""
    file.write_text(text)

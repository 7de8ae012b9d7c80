"""The last good key sets, in the state folder: after a restart tokens hold before an issuer is asked anew."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from mesh.local.runtime.errors import NotWritten
from mesh.local.runtime.state import write_atomically

KEPT_S = 3600.0  # an issuer may have withdrawn a key meanwhile; this is three of istiod's periods


class _Kept(msgspec.Struct, frozen=True):
    text: str
    at: float  # seconds since 1970


class KeptKeys:
    """Key sets by `jwksUri`, with their age. A file that is not there or damaged holds none."""

    def __init__(self, file: Path, now: Callable[[], float] = time.time) -> None:
        self._file = file
        self._now = now
        self._sets: dict[str, _Kept] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):
            self._sets = msgspec.json.decode(file.read_bytes(), type=dict[str, _Kept])

    def get(self, uri: str) -> str | None:
        """The key set that was fetched within the last hour."""
        kept = self._sets.get(uri)
        return kept.text if kept is not None and self._fresh(kept) else None

    def put(self, uri: str, text: str) -> None:
        """Keep what was fetched now; a disk that takes no more costs only the next start."""
        sets = {other: kept for other, kept in self._sets.items() if self._fresh(kept)}
        self._sets = {**sets, uri: _Kept(text, self._now())}
        with contextlib.suppress(NotWritten):
            write_atomically(self._file, msgspec.json.encode(self._sets))

    def _fresh(self, kept: _Kept) -> bool:
        return abs(self._now() - kept.at) <= KEPT_S

"""What is injected, as files of the state folder, so that it can be cleared whoever has ended meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from mesh.local.runtime import sweep
from mesh.local.runtime.state import State, write_atomically

FOLDER = "faults"


class Record(msgspec.Struct, frozen=True):
    """One fault. It is held by a process (its pid, and when the kernel says it began) until `ends_at`."""

    name: str
    ends_at: float
    pid: int = 0
    started_at: str = ""
    in_force: bool = False
    failure: str = ""

    @property
    def held(self) -> bool:
        """Whether its holder lives; another process may have its pid now."""
        seen = sweep.look(self.pid) if self.pid else None
        return seen is not None and not seen.zombie and seen.started_at == self.started_at

    @property
    def left_s(self) -> float:
        return max(0.0, self.ends_at - time.time())


def write(state: State, record: Record) -> None:
    """Raises NotWritten."""
    _file(state, record.name).parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(_file(state, record.name), msgspec.json.encode(record))


def read(state: State, name: str) -> Record | None:
    """None when the fault is not injected."""
    try:
        return msgspec.json.decode(_file(state, name).read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:  # whatever wrote it, the fault is to be cleared
        return Record(name, 0.0)


def output(state: State, name: str) -> Path:
    """The file for what the holder says when it fails."""
    return _file(state, name).with_suffix(".log")


def forget(state: State, name: str) -> None:
    """It is cleared; what its holder said stays, if that was anything."""
    _file(state, name).unlink(missing_ok=True)
    if (said := output(state, name)).exists() and not said.stat().st_size:
        said.unlink(missing_ok=True)


def _file(state: State, name: str) -> Path:
    return state.folder / FOLDER / f"{name}.json"

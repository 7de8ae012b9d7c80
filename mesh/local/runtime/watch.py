"""Files as editors leave them: a change is seen when a file is closed after writing, or moved in place.

The kernel's `IN_CLOSE_WRITE` and `IN_MOVED_TO` say so at once and never show a half-written file;
libraries that watch for modification alone have to guess by waiting.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from mesh.local.runtime.errors import MeshError

IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE = 0x8, 0x40, 0x80, 0x200
IN_DELETE_SELF, IN_MOVE_SELF, IN_Q_OVERFLOW = 0x400, 0x800, 0x4000
IN_NONBLOCK, IN_CLOEXEC = 0o4000, 0o2000000
MASK = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
QUIET_S = 0.004  # what is saved together, as by a checkout, is read together
PATIENCE_S = 0.1
EVENT = struct.Struct("iIII")


class Watch:
    """Watches files and folders; each round of changes is one item: the time of its first event."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        if self._descriptor < 0:
            raise _failed("inotify_init1", "fs.inotify.max_user_instances")
        self._names: dict[int, set[str] | None] = {}  # of a watched folder; None: every name
        self._pending = asyncio.Event()
        self._first = 0.0
        for path in paths:
            self._add(path)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    async def rounds(self) -> AsyncIterator[float]:
        """When the first change of each round happened, by the monotonic clock."""
        while True:
            await self._pending.wait()
            first = self._first
            while self._pending.is_set() and time.monotonic() - first < PATIENCE_S:
                self._pending.clear()
                await asyncio.sleep(QUIET_S)
            self._pending.clear()
            yield first

    def _add(self, path: Path) -> None:
        resolved = path.resolve()
        folder, name = (resolved, None) if resolved.is_dir() else (resolved.parent, resolved.name)
        handle = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), MASK)
        if handle < 0:
            raise _failed(f"watching {folder}", "fs.inotify.max_user_watches")
        if name is None:
            self._names[handle] = None
        elif (names := self._names.setdefault(handle, set())) is not None:
            names.add(name)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 64 * 1024)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            handle, mask, _, length = EVENT.unpack_from(data, offset)
            offset += EVENT.size
            name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
            offset += length
            names = self._names.get(handle)
            ours = mask & IN_Q_OVERFLOW or names is None or name in names
            if ours and not name.startswith("."):
                if not self._pending.is_set():
                    self._first = time.monotonic()
                self._pending.set()


def _failed(what: str, limit: str) -> MeshError:
    number = ctypes.get_errno()
    return MeshError(f"{what}: {os.strerror(number)}; perhaps raise the limit: sysctl -w {limit}=8192")

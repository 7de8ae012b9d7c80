"""Files as editors leave them: a change is seen when a file is closed after writing, or moved in place.

The kernel's `IN_CLOSE_WRITE` and `IN_MOVED_TO` say so at once and never show a half-written file;
libraries that watch for modification alone have to guess by waiting. Links are followed: what they lead to
is watched too, and anew after each round, since they may lead elsewhere now.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import stat
import struct
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

from mesh.local.runtime.errors import MeshError

IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE = 0x8, 0x40, 0x80, 0x200
IN_CREATE, IN_DELETE_SELF, IN_MOVE_SELF, IN_Q_OVERFLOW, IN_IGNORED = 0x100, 0x400, 0x800, 0x4000, 0x8000
IN_NONBLOCK, IN_CLOEXEC = 0o4000, 0o2000000
MASK = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
KUBELET_LINK = "..data"  # moved in place when a mounted ConfigMap or Secret changes
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
        self._paths = tuple(path.absolute() for path in paths)
        self._names: dict[int, set[str] | None] = {}  # of a watched folder; None: every name
        self._folders: dict[int, Path] = {}
        self._pending = asyncio.Event()
        self._first = 0.0
        self._follow()
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
            self._follow()
            yield first

    def _follow(self) -> None:
        for path in self._paths:
            with contextlib.suppress(FileNotFoundError):  # its parent tells when it is back
                for folder, name in _places(path):
                    self._add(folder, name)

    def _add(self, folder: Path, name: str | None) -> None:
        handle = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), MASK)
        if handle < 0:
            if ctypes.get_errno() in (errno.ENOENT, errno.EACCES):
                return  # gone meanwhile, or a parent that is not ours; what is read later says what is wrong
            raise _failed(f"watching {folder}", "fs.inotify.max_user_watches")
        self._folders[handle] = folder
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
            if self._tells(handle, mask, name):
                if not self._pending.is_set():
                    self._first = time.monotonic()
                self._pending.set()
            if mask & IN_IGNORED:  # the folder is gone
                self._names.pop(handle, None)
                self._folders.pop(handle, None)

    def _tells(self, handle: int, mask: int, name: str) -> bool:
        """Whether an event may mean another text in a watched file."""
        if mask & IN_Q_OVERFLOW or name == KUBELET_LINK:
            return True
        names = self._names.get(handle, set())
        if name.startswith(".") or (names is not None and name and name not in names):
            return False
        return not mask & IN_CREATE or _is_whole(self._folders[handle] / name)


def _places(path: Path) -> Iterator[tuple[Path, str | None]]:
    """Folders to watch for a path, each with the name that matters in it; None for every name."""
    yield _real(path.parent), path.name
    if path.is_dir():
        yield _real(path), None
        links = [entry for entry in path.iterdir() if entry.is_symlink() and not entry.name.startswith(".")]
    else:
        links = [path]
    for link in links:
        real = _real(link)
        yield real.parent, real.name


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve raises for links that lead in a circle


def _is_whole(path: Path) -> bool:
    """Whether what has just appeared is complete: a link or a folder; a file is still to be written."""
    try:
        seen = path.lstat()
    except OSError:
        return False
    return not stat.S_ISREG(seen.st_mode) or seen.st_nlink > 1


def _failed(what: str, limit: str) -> MeshError:
    number = ctypes.get_errno()
    return MeshError(f"{what}: {os.strerror(number)}; perhaps raise the limit: sysctl -w {limit}=8192")

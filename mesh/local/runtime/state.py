"""The state folder of a mesh: what lies where, who may read it, and who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mesh.local.runtime import settings, sweep
from mesh.local.runtime.errors import MeshBusy, MeshError, MeshNotRunning, NotWritten

FOLDER = ".delinkcious"
SUN_PATH_BYTES = 107


class State:
    """Paths below the state folder; private to the user (0700), since keys and Secrets lie in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.ca = self.folder / "ca"
        self.pods = self.folder / "pods"
        self.claims = self.folder / "claims"
        self.processes = self.folder / "processes"
        self.discovery = self.folder / "discovery"
        self.applied = self.folder / "applied.json"
        self.overrides = self.folder / "overrides.json"
        self.addresses = self.folder / "addresses.json"
        self.keys = self.folder / "keys.json"
        self.block = self.folder / "block"
        self.output = self.folder / "mesh.log"
        self._lock = self.folder / "lock"

    def create(self) -> None:
        """Make the folders. Raises MeshError when that cannot be, or the folder is somebody else's."""
        try:
            self._create()
        except OSError as error:
            raise NotWritten(f"{self.folder} cannot hold a mesh's state: {error.strerror}") from error

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.folder.stat().st_uid != os.getuid():
            raise MeshError(f"{self.folder} belongs to another user; name another folder with --state")
        self.folder.chmod(0o700)
        for folder in (
            self.ca,
            self.pods,
            self.claims,
            self.processes,
            self.discovery,
            self.folder / sweep.RECORDS,
        ):
            folder.mkdir(exist_ok=True, mode=0o700)

    @property
    def socket(self) -> Path:
        """The control socket; elsewhere when the folder lies too deep for a socket's address."""
        path = self.folder / "control.sock"
        if len(os.fsencode(path)) <= SUN_PATH_BYTES:
            return path
        folder = settings.socket_folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise MeshError(f"{folder} belongs to another user; use a state folder with a shorter path")
        folder.chmod(0o700)
        return folder / (hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:24] + ".sock")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only supervisor of this folder. Raises MeshBusy."""
        with self._lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self.busy() from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self._held_inode = os.fstat(file.fileno()).st_ino
            yield

    @property
    def still_held(self) -> bool:
        """Whether the folder that is held is the one that has its path now: somebody may have deleted it."""
        try:
            return self._lock.stat().st_ino == self._held_inode
        except FileNotFoundError:
            return False

    def busy(self) -> MeshBusy:
        """What to say to a second start."""
        near = any(self.folder == (folder / FOLDER) for folder in (Path.cwd(), *Path.cwd().parents))
        command = "delinkcious mesh down" + ("" if near else f" --state {self.folder}")
        who = f" (process {pid})" if (pid := self.holder()) is not None else ""
        return MeshBusy(f"a mesh already runs in {self.folder}{who}; end it with `{command}`")

    def holder(self) -> int | None:
        """The pid of the supervisor that holds the folder now; None when none does."""
        try:
            file = self._lock.open("r+")
        except FileNotFoundError:
            return None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                return int(text) if text.isdigit() else None
        return None


def find(start: Path, explicit: Path | None) -> State:
    """The mesh that a command means: `--state`, else the nearest folder upwards. Raises MeshNotRunning."""
    if explicit is not None:
        return State(explicit)
    for folder in (start, *start.parents):
        if (folder / FOLDER / "block").is_file():
            return State(folder / FOLDER)
    raise MeshNotRunning(
        f"no mesh was started in {start} or above it; start one with `delinkcious mesh up -f FILE`, "
        "or name its folder with --state"
    )


def write_atomically(path: Path, data: str | bytes, mode: int = 0o600) -> None:
    """Put a whole file in place by rename: a reader sees the old or the new one, never a part.

    Raises NotWritten, and the old one stays.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = f"{path.parent}/.{path.name}.{os.getpid()}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(temporary, flags, mode)
        with open(handle, "wb") as file:
            os.fchmod(handle, mode)  # whatever the umask took away
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise NotWritten(f"{path} cannot be written: {error.strerror}") from error

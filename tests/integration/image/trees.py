"""Makes an image's tree of files, and runs programs out of it: as nobody, read-only, with nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "deploy" / "image" / "tree.sh"
# What the Dockerfile copies into each target.
PACKAGES = {
    "app": ("telemetry", "services", "loadtest", "delinkcious/smoke"),
    "load": ("telemetry", "services", "loadtest", "delinkcious/smoke"),
    "canary": ("telemetry", "mesh/canary", "mesh/local"),
}
# As a container of the chart has it: files of root's, read-only, no capability, /tmp in memory, own mounts.
# Python is where its own library is found beside it, and below no folder that only root may enter.
CONFINED = """
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/python /mnt/delinkcious
mount --bind "$0" /mnt/python && mount -o remount,bind,ro /mnt/python
mount --bind "$1" /mnt/delinkcious && mount -o remount,bind,ro /mnt/delinkcious
mount -t tmpfs tmpfs /tmp
mount -o remount,ro /mnt
shift
cd /tmp
exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
  env -i HOME=/tmp PATH=/usr/bin:/bin LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 \
  LD_LIBRARY_PATH=/mnt/python/lib PYTHONPATH=/mnt/delinkcious/code:/mnt/delinkcious/wheels \
  /mnt/python/bin/python3 -S "$@"
"""


@dataclass(frozen=True)
class Tree:
    """An image's `wheels` and `code`."""

    folder: Path

    def size_bytes(self) -> int:
        return sum(path.lstat().st_size for path in self.folder.rglob("*") if not path.is_dir())

    def digest(self) -> str:
        """Of all names, modes, times and bytes, as a layer would have them."""
        found = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            about = path.lstat()
            found.update(f"{path.relative_to(self.folder)}\0{about.st_mode:o}\0{about.st_mtime}\0".encode())
            if path.is_file():
                found.update(hashlib.sha256(path.read_bytes()).digest())
        return found.hexdigest()

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `python ARGUMENTS` says in a container of it."""
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", CONFINED]
        return subprocess.run(
            [*command, sys.base_prefix, str(self.folder), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
        )


def make(target: str, folder: Path, settings: Mapping[str, str] | None = None) -> Tree:
    """The tree of a target of the Dockerfile, in a new folder."""
    strip = shutil.which("strip")
    environment = {**os.environ, "PYTHON": sys.executable, **({"STRIP": strip} if strip else {})}
    environment |= settings or {}
    lock = str(SCRIPT.parent / f"{target}.lock")
    folder.mkdir(mode=0o755)
    _script([SCRIPT, "wheels", lock, folder / "wheels"], environment)
    if target == "function":
        _script([ROOT / "deploy" / "nuclio" / "package.sh", folder / "code"], environment)
    else:
        _script([SCRIPT, "code", ROOT, folder / "code", *PACKAGES[target]], environment)
    return Tree(folder)


def _script(command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    done = subprocess.run(["sh", *command], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr

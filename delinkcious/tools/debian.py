"""A tool out of the system's own package, on Debian and Ubuntu: fetched by apt, unpacked into the cache.

Unpacked instead of installed, because an installation would start a server of its own and is root's to
decide; so nothing but the user's cache changes, and no root is needed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from delinkcious.tools.catalogue import Tool, numbers
from delinkcious.tools.errors import ToolUnavailable

WITHIN_S = 300.0
# What the package's web pages are made of; it names them as dependencies, which only an installation fetches.
PAGES = (
    "fonts-glyphicons-halflings",
    "libjs-bootstrap4",
    "libjs-eonasdan-bootstrap-datetimepicker",
    "libjs-jquery",
    "libjs-jquery-hotkeys",
    "libjs-moment",
    "libjs-moment-timezone",
    "libjs-mustache",
    "libjs-popper.js",
    "libjs-rickshaw",
    "libjs-d3",
)
# Debian's Prometheus reads its pages from a folder; the programs of others have them inside.
ASSETS = Path("usr") / "share" / "prometheus" / "web"


def offers(tool: Tool) -> bool:
    """Whether this system has a package of the tool that is recent enough, as far as its lists say."""
    if not tool.debian or not _is_debian() or shutil.which("apt-get") is None:
        return False
    done = _run(["apt-cache", "policy", tool.debian])
    candidate = next((line.split()[-1] for line in done.splitlines() if "Candidate:" in line), "")
    return bool(numbers(candidate)) and tool.will_do(candidate)


def unpack(tool: Tool, cache: Path) -> None:
    """Put the tool into `cache/bin`, its package below `cache/debian`. Raises ToolUnavailable."""
    (cache / "debian").mkdir(parents=True, exist_ok=True)
    (cache / "bin").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache / "debian", prefix=".") as name:
        folder = Path(name)
        _run(["apt-get", "download", "-q", tool.debian, *PAGES], folder)
        root = folder / "root"
        for package in sorted(folder.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(root)])
        if not (root / "usr" / "bin" / tool.name).exists():
            raise ToolUnavailable(f"the package {tool.debian} has no {tool.name}")
        target = cache / "debian" / tool.debian
        shutil.rmtree(target, ignore_errors=True)
        root.replace(target)
    _link(cache / "bin" / tool.name, target, tool.name)


def _link(program: Path, root: Path, name: str) -> None:
    """A script in its place that says where its pages are, as the package's own paths would."""
    real = root / "usr" / "bin" / name
    assets = f' "--web.local-assets={root / ASSETS}"' if name == "prometheus" else ""
    partial = program.with_name(f".{program.name}.{os.getpid()}")
    partial.write_text(f'#!/bin/sh\nexec "{real}"{assets} "$@"\n')
    partial.chmod(0o755)
    partial.replace(program)


def _is_debian() -> bool:
    try:
        release: Mapping[str, str] = platform.freedesktop_os_release()
    except OSError:
        return False
    return bool({"debian", "ubuntu"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()})


def _run(command: list[str], folder: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolUnavailable(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise ToolUnavailable(f"{' '.join(command[:3])}: {done.stderr.strip()[-300:]}")
    return done.stdout

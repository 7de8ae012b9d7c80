"""Injecting and clearing: a process of its own breaks something, keeps it so for a bounded time, mends it.

Run as a script this is that process: `python -m delinkcious.faults.holding NAME SECONDS CHECKOUT STATE`. When
it is killed, `clear` mends in its place.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import asyncpg
import msgspec
import psutil

from delinkcious.faults import catalogue, records
from delinkcious.faults.model import Fault
from delinkcious.faults.records import Record
from delinkcious.faults.site import Site
from mesh.local.model import InvalidConfig
from mesh.local.runtime import sweep
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State

BEGUN_WITHIN_S = 90.0  # a Deployment that rolls out takes some seconds
ENDED_WITHIN_S = 90.0
POLL_S = 0.05
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TROUBLE = (MeshError, InvalidConfig, LookupError, OSError, TimeoutError, psutil.Error, asyncpg.PostgresError)


class NotInjected(Exception):
    """Why a fault is not there; nothing is left of it."""


def inject(site: Site, fault: Fault, for_s: float) -> Record:
    """Break it for so many seconds; what is broken already stays as it is. Raises NotInjected."""
    known = records.read(site.state, fault.name)
    if known is not None and known.held:
        return known
    if known is not None:
        clear(site, fault)
    records.write(site.state, Record(fault.name, time.time() + for_s))
    arguments = [fault.name, str(for_s), str(site.checkout), str(site.state.folder)]
    with records.output(site.state, fault.name).open("wb") as output:
        holder = subprocess.Popen(
            [sys.executable, "-m", __name__, *arguments],
            cwd=site.checkout,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    sweep.record(site.state.folder, holder.pid)  # `delinkcious down` ends it too
    deadline = time.monotonic() + BEGUN_WITHIN_S
    while time.monotonic() < deadline:
        record = records.read(site.state, fault.name)
        if record is not None and record.in_force:
            return record
        if record is None and holder.poll() == 0:  # it was, while nobody looked
            return Record(fault.name, time.time(), in_force=True)
        if (record is not None and record.failure) or holder.poll() is not None:
            break
        time.sleep(POLL_S)
    record = records.read(site.state, fault.name)
    clear(site, fault)
    raise NotInjected(
        (record.failure if record else "") or f"{records.output(site.state, fault.name)} says why"
    )


def clear(site: Site, fault: Fault) -> bool:
    """Mend it, whoever broke it and whether that process lives; False when there was nothing to mend."""
    record = records.read(site.state, fault.name)
    if record is None:
        return False
    if record.held:
        _end(record)
    if record.pid:
        sweep.forget(site.state.folder, record.pid)
    fault.action.end(site)
    records.forget(site.state, fault.name)
    return True


def _end(record: Record) -> None:
    """Let the holder mend it; kill one that does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        holder = psutil.Process(record.pid)
        holder.terminate()
        try:
            holder.wait(ENDED_WITHIN_S)
        except psutil.TimeoutExpired:
            holder.kill()


def hold(site: Site, fault: Fault, for_s: float) -> None:
    """What the process does that holds a fault."""
    # Who is told to end while something is being broken mends it afterwards.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    record = records.read(site.state, fault.name)
    if record is None:  # cleared before this began
        return
    started_at = getattr(sweep.look(os.getpid()), "started_at", "")
    record = msgspec.structs.replace(record, pid=os.getpid(), started_at=started_at)
    records.write(site.state, record)
    try:
        fault.action.begin(site)
        ends_at = time.time() + for_s
        records.write(site.state, msgspec.structs.replace(record, in_force=True, ends_at=ends_at))
        fault.action.hold(site, _over(for_s))
    except TROUBLE as error:
        records.write(site.state, msgspec.structs.replace(record, failure=str(error) or repr(error)))
        return  # who injects, or clears, mends
    fault.action.end(site)
    records.forget(site.state, fault.name)
    sweep.forget(site.state.folder, os.getpid())


def _over(within_s: float) -> threading.Event:
    """Set when this process is told to end, or that time is over."""
    ended = threading.Event()

    def wait() -> None:  # in a thread: a handler would run in the middle of whoever waits for the event
        signal.sigtimedwait(ENDING, within_s)
        ended.set()

    threading.Thread(target=wait, name="end", daemon=True).start()
    return ended


def main(arguments: list[str]) -> None:
    name, for_s, checkout, state = arguments
    hold(Site(Path(checkout), State(Path(state))), catalogue.FAULTS[name], float(for_s))


if __name__ == "__main__":
    main(sys.argv[1:])

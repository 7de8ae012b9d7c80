"""A service that does something else beside its work: `python -m delinkcious.faults.misbehaving HOW MODULE`.

What a Deployment runs as long as a fault is injected that lies in the process itself.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from collections.abc import Callable

import structlog

# A leak that is seen within two minutes, and that leaves the machine its memory however long it is forgotten.
LEAKED_BYTES = 1024 * 1024
LEAK_EVERY_S = 0.5
LEAKED_AT_MOST = 320
# A loop that leaves the process time for its work, and a reader of its lines that is slower.
FLOOD_S = 0.4
FLOOD_EVERY_S = 3.0
READ_BYTES = 16 * 1024
READ_EVERY_S = 0.25

_log = structlog.get_logger(__name__)


def leak() -> None:
    """Keep memory that nobody needs."""
    kept: list[bytes] = []
    while len(kept) < LEAKED_AT_MOST:
        kept.append(b"\x01" * LEAKED_BYTES)
        time.sleep(LEAK_EVERY_S)
    threading.Event().wait()  # what was taken stays


def flood() -> None:
    """Log the same line in a loop, to somebody who reads slowly."""
    reading, writing = os.pipe()
    file = os.dup(sys.stdout.fileno())
    os.dup2(writing, sys.stdout.fileno())
    threading.Thread(target=read_slowly, args=(reading, file), name="slow reader", daemon=True).start()
    while True:
        ends_at = time.monotonic() + FLOOD_S
        while time.monotonic() < ends_at:
            _log.error("an error in a loop", cause="delinkcious fault clear log-flood ends it")
        time.sleep(FLOOD_EVERY_S)


def read_slowly(reading: int, file: int) -> None:
    while data := os.read(reading, READ_BYTES):
        os.write(file, data)
        time.sleep(READ_EVERY_S)


HOW: dict[str, Callable[[], None]] = {"leak": leak, "flood": flood}


def main(arguments: list[str]) -> None:
    how, module = arguments
    threading.Thread(target=HOW[how], name=how, daemon=True).start()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Lines on their way out of the process: by a thread, so that nobody who logs waits for the reader."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

# Some seconds of a log flood; more would hide from an operator that lines are lost.
MAX_WAITING_BYTES = 2**20
# A process that ends says its last words to a reader who still reads.
LAST_WORDS_S = 2.0
WRITE_BYTES = 64 * 1024


class Output:
    """Lines for one descriptor; `write` never blocks, and drops a line when too much waits already.

    `told` makes the line that says, once the reader is back, how many are missing.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        limit_bytes: int = MAX_WAITING_BYTES,
        told: Callable[[int], bytes] | None = None,
    ) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self._told = told
        self._untold = 0
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._writer = threading.Thread(target=self._run, name="log output", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def write(self, line: bytes) -> None:
        """Hand over a line without its newline."""
        with self._changed:
            if self._waiting_bytes + len(line) > self._limit_bytes:
                self.dropped += 1
                self._untold += 1
                return
            self._lines.append(line)
            self._waiting_bytes += len(line) + 1
            self._changed.notify()

    def close(self, within_s: float = LAST_WORDS_S) -> None:
        """Write what waits, as far as that is possible in so many seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join(within_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._lines and not self._closing:
                    self._changed.wait()
                if not self._lines:
                    return
                taken = self._take()
            self._send(taken)

    def _take(self) -> bytes:
        """What goes out together; its size counts as waiting until it is written."""
        size, some = 0, []
        while self._lines and size < WRITE_BYTES:
            some.append(self._lines.popleft())
            size += len(some[-1]) + 1
        if self._untold and self._told is not None and not self._lines:
            some.append(self._told(self._untold))
            self._waiting_bytes += len(some[-1]) + 1
            self._untold = 0
        return b"\n".join(some) + b"\n"

    def _send(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:
                    # Somebody else has made it so; the descriptor is shared with other processes.
                    select.select((), (self._descriptor,), ())
        except OSError:
            # Nobody reads any more, or the disk is full: the process goes on.
            with self._changed:
                self.dropped += bytes(left).count(b"\n")
        with self._changed:
            self._waiting_bytes -= len(data)


class DroppedLines(Collector):
    """`telemetry_log_lines_dropped_total` of the outputs that this process has."""

    def __init__(self, outputs: list[Output]) -> None:
        self._outputs = outputs

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "telemetry_log_lines_dropped",
            "Log lines that were not written, since nobody read fast enough.",
            value=sum(output.dropped for output in self._outputs),
        )


def count_dropped(registry: CollectorRegistry, outputs: list[Output]) -> None:
    """Tell of dropped lines in `registry`."""
    with contextlib.suppress(ValueError):  # it does already
        registry.register(DroppedLines(outputs))

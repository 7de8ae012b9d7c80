"""What a run is told as: plain numbers, the same for the JSON, the page and `compare`."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from pathlib import Path
from typing import Literal

import msgspec
import psutil

from delinkcious.load.resources import Usage
from delinkcious.load.slow import Slow
from loadtest.mix import Mix
from loadtest.tally import Row, Tally

# A run is cut into so many blocks of whole seconds: a curve for people, repetitions for `compare`.
BLOCKS = 20
MAX_REPORT_BYTES = 64 * 1024 * 1024
VERSION = 1


class InvalidReport(Exception):
    """Why a file is no report, with its name."""


class Block(msgspec.Struct, frozen=True):
    """One stretch of time; latencies in milliseconds, None where nothing was answered."""

    rate: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    failed: int


class Figures(msgspec.Struct, frozen=True):
    """What came of requests. `rate` is of those that succeeded, a second; `errors` by status or word."""

    count: int
    succeeded: int
    rate: float
    errors: dict[str, int]
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    traced: int
    blocks: list[Block]

    @property
    def failed(self) -> int:
        return self.count - self.succeeded


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load_before: float


class Run(msgspec.Struct, frozen=True, tag="run", tag_field="kind"):
    """A whole run. `slowest` are single requests, `late_ms` by how much the sender itself was behind."""

    command: str
    began_at: dt.datetime
    seconds: float
    interrupted: bool
    target: str
    loop: Literal["closed", "open"]
    shape: str
    asked: float
    mix: Mix
    seed: int
    traced_share: float
    sampling: str
    late_ms: float
    commit: str
    machine: Machine
    block_s: float
    total: Figures
    journeys: dict[str, Figures]
    requests: dict[str, Figures]
    processes: list[Usage]
    slowest: list[Slow]
    version: int = VERSION


def figures(tally: Tally, seconds: float, *, journey: str | None = None, name: str | None = None) -> Figures:
    """Of all requests, of a journey's, or of those of one name."""
    total = tally.total(journey=journey, name=name)
    whole_blocks = max(1, int(seconds / tally.block_s))
    blocks = [
        _block(tally.total(journey=journey, name=name, block=number), tally.block_s)
        for number in range(whole_blocks)
    ]
    answered = sum(total.latencies.values())
    return Figures(
        count=total.count,
        succeeded=total.good,
        rate=round(total.good / seconds, 3) if seconds else 0.0,
        errors=total.errors,
        mean_ms=round(total.total_s / answered * 1e3, 3) if answered else None,
        p50_ms=_ms(total, 0.5),
        p90_ms=_ms(total, 0.9),
        p99_ms=_ms(total, 0.99),
        traced=total.traced,
        blocks=blocks,
    )


def _block(row: Row, block_s: float) -> Block:
    rate = round(row.good / block_s, 3)
    return Block(rate, _ms(row, 0.5), _ms(row, 0.9), _ms(row, 0.99), row.count - row.good)


def _ms(row: Row, share: float) -> float | None:
    quantile = row.quantile_s(share)
    return None if quantile is None else round(quantile * 1e3, 3)


def block_s(seconds: float) -> float:
    """How long a block is: whole seconds, since lines come once a second."""
    return float(max(1, round(seconds / BLOCKS)))


def machine() -> Machine:
    """This one."""
    return Machine(
        processor=_processor(),
        cores=psutil.cpu_count() or 0,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 2),
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def commit(checkout: Path) -> str:
    """The commit of the checkout, with + when files differ from it; "" where there is none."""
    try:
        found = subprocess.run(
            ["/usr/bin/env", "git", "-C", str(checkout), "describe", "--always", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()


def read(file: Path) -> Run:
    """A report of `delinkcious load run`. Raises InvalidReport."""
    try:
        if file.stat().st_size > MAX_REPORT_BYTES:
            raise InvalidReport(f"{file}: larger than any report")
        return msgspec.json.decode(file.read_bytes(), type=Run)
    except OSError as error:
        raise InvalidReport(f"{file}: {error.strerror or error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidReport(f"{file}: no report of `delinkcious load run` ({error})") from None

"""`make zero-downtime`: what happens to an installation under constant load, and how many requests failed."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from tests.downtime.load import RATE
from tests.downtime.rows import Row
from tests.downtime.table import CASES, Case
from tests.e2e.installation import Installation

PRINTED_WIDTH = 240  # of a table in a file
REPOSITORY = Path(__file__).parents[2]


@contextmanager
def running() -> Iterator[Installation]:
    """An installation of its own, gone when the block is left."""
    with tempfile.TemporaryDirectory() as folder:
        made = Installation(REPOSITORY, Path(folder))
        try:
            made.up()
            yield made
        finally:
            made.run("down", "--state", str(made.state))


def measured(cases: Sequence[Case], rate: float) -> tuple[list[Row], bool]:
    """The rows, and whether all hold; one that comes to no end is told and left out."""
    rows, hold = [], True
    with running() as installation:
        for case in cases:
            try:
                row = case.row(installation, rate)
            except (AssertionError, httpx.HTTPError) as error:
                print(f"{case.name}: {error}", file=sys.stderr)
                hold = False
                continue
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
            hold = hold and case.holds(row)
    return rows, hold


def show(rows: Sequence[Row]) -> None:
    columns = (
        "event",
        "seconds",
        "sent",
        "failed",
        "p99 ms before",
        "during",
        "saves",
        "lost",
        "doubled",
        "why",
    )
    table = Table(*columns, box=None)
    for row in rows:
        cells = (row.seconds, row.sent, row.failed, row.p99_before_ms, row.p99_during_ms)
        saves = (row.acknowledged, row.lost, row.doubled)
        table.add_row(row.event, *map(str, (*cells, *saves)), why(row))
    Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH).print(table)


def why(row: Row) -> str:
    """The failures by status, and the reason; empty when there is none."""
    if not row.failed:
        return ""
    found = ", ".join(f"{count} x {outcome}" for outcome, count in row.statuses.items())
    return f"{found}: {row.reason or 'NOT EXPECTED'}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make zero-downtime", description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows whose name has all of these words")
    parser.add_argument("--without", nargs="*", default=[], help="no rows whose name has one of these")
    parser.add_argument("--times", type=int, default=1, help="each row, so often")
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--list", action="store_true", help="name the rows, and do nothing")
    chosen = parser.parse_args()
    cases = [case for case in CASES if all(word in case.name for word in chosen.words)]
    cases = [case for case in cases if not any(word in case.name for word in chosen.without)]
    cases = [case for case in cases for _ in range(chosen.times)]
    if chosen.list:
        print("\n".join(case.name for case in cases))
        return 0
    rows, hold = measured(cases, chosen.rate)
    where = f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    machine = f"{where}; {dt.datetime.now(dt.UTC):%Y-%m-%d}; {chosen.rate:g} requests/s"
    if chosen.output == "json":
        print(json.dumps({"machine": machine, "rows": [row.json() for row in rows]}, indent=2))
    else:
        show(rows)
        print(machine)
    return not hold


if __name__ == "__main__":
    sys.exit(main())

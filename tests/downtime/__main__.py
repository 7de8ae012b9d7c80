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

from rich.console import Console
from rich.table import Table

from tests.downtime.load import RATE
from tests.downtime.rows import Row
from tests.downtime.table import CASES, Case
from tests.e2e.installation import Installation

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


def measured(cases: Sequence[Case]) -> list[Row]:
    rows = []
    with running() as installation:
        for case in cases:
            row = case.row(installation)
            print(f"{row.event}: {row.failed} of {row.sent} failed {row.failures or ''}", file=sys.stderr)
            rows.append(row)
    return rows


def show(rows: Sequence[Row]) -> None:
    columns = (
        "event",
        "seconds",
        "sent",
        "failed",
        "p99 ms before",
        "during",
        "saves lost",
        "doubled",
        "why",
    )
    table = Table(*columns, box=None)
    for row in rows:
        why = "; ".join([f"{count} {what}" for what, count in row.failures.items()])
        reason = f"{row.reason or 'UNEXPECTED'}: {why}" if why else ""
        numbers = (
            row.seconds,
            row.sent,
            row.failed,
            row.p99_before_ms,
            row.p99_during_ms,
            row.lost,
            row.doubled,
        )
        table.add_row(row.event, *map(str, numbers), reason)
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make zero-downtime", description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows whose name has all of these words")
    parser.add_argument("--without", nargs="*", default=[], help="no rows whose name has one of these")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--list", action="store_true", help="name the rows, and do nothing")
    chosen = parser.parse_args()
    cases = [case for case in CASES if all(word in case.name for word in chosen.words)]
    cases = [case for case in cases if not any(word in case.name for word in chosen.without)]
    if chosen.list:
        print("\n".join(case.name for case in cases))
        return 0
    rows = measured(cases)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {RATE:g} requests/s"
    if chosen.output == "json":
        print(json.dumps({"machine": machine, "rows": [row.json() for row in rows]}, indent=2))
    else:
        show(rows)
        print(machine)
    return any((row.failed and not row.reason) or row.lost or row.doubled for row in rows)


if __name__ == "__main__":
    sys.exit(main())

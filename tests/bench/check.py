"""`make bench-check`: what each layer costs a request, as ratios to a calibration, against the budgets.

Everything is asked over one connection, one request at a time, so that a request wakes the same processes
the same number of times however busy the machine is. Of each layer that is CPU per request; of the whole
the time of the faster requests, which shows a wait that costs no CPU.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from tests.bench.budgets import TOLERANCE, InvalidBudgets, Judged, exceeded, judge, parse, render
from tests.bench.measuring import Bench, bench, ratios
from tests.bench.operations import NAMES
from tests.bench.running import installation

FILE = Path(__file__).with_name("budgets.yaml")
# Together with an installation's start and end less than three minutes.
WITHIN_S, AGAIN_WITHIN_S = 75.0, 45.0
# As `operation/place`.
MEASURED = tuple(f"{operation}/{place}" for operation in NAMES for place in ("mesh", "alone"))


def checked(running: Bench, budgets: Mapping[str, float], measured: dict[str, float]) -> list[Judged]:
    """The verdicts; what failed is measured once more, since a machine may have had something else to do."""
    judged = judge(budgets, measured)
    suspects = sorted({name.rpartition("/")[0] for name in exceeded(judged)})
    if not suspects:
        return judged
    print(f"measured once more: {', '.join(suspects)}", file=sys.stderr)
    again = ratios(running.measure(suspects, AGAIN_WITHIN_S))
    return judge(budgets, {name: min(value, again.get(name, value)) for name, value in measured.items()})


def show(judged: Sequence[Judged]) -> None:
    table = Table("operation", "place", "layer", "budget", "measured", "change", "", box=None)
    for one in judged:
        table.add_row(
            *one.name.split("/"),
            f"{one.budget:.3g}",
            f"{one.measured:.3g}",
            f"{one.change:+.0%}",
            one.verdict,
        )
    Console().print(table)


def machine() -> str:
    """What a reader needs to judge the figures."""
    return f"{psutil.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-check", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what is measured the budgets")
    parser.add_argument(
        "--only", action="append", choices=MEASURED, help="measure this alone; may be repeated"
    )
    parser.add_argument("--state", type=Path, help="measure the installation that runs in this folder")
    parser.add_argument("--raw", type=Path, help="write every slice to this file")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    chosen = parser.parse_args()
    names = chosen.only or MEASURED
    budgets = {} if chosen.write else read(names)
    with installation("--no-tools", state=chosen.state) as running, bench(running) as made:
        found = made.measure(names, WITHIN_S)
        measured = ratios(found)
        if chosen.raw:
            chosen.raw.write_bytes(msgspec.json.encode(found))
        if chosen.write:
            FILE.write_bytes(render(measured, machine=machine(), date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"))
            return
        judged = checked(made, budgets, measured)
    report(judged, chosen.output)


def read(names: Sequence[str]) -> dict[str, float]:
    """The committed budgets of these operations at these places; the end of the process without them."""
    try:
        every = parse(FILE.read_bytes()).flat()
    except (FileNotFoundError, InvalidBudgets) as error:
        sys.exit(f"{FILE.name}: {error}")
    return {name: budget for name, budget in every.items() if name.rpartition("/")[0] in names}


def report(judged: Sequence[Judged], output: str) -> None:
    """Print the verdicts; the end of the process with code 1 where a budget is exceeded."""
    if output == "json":
        print(json.dumps([msgspec.structs.asdict(one) | {"change": one.change} for one in judged], indent=2))
    else:
        show(judged)
    if failed := exceeded(judged):
        sys.exit(f"more than {TOLERANCE:.0%} over budget: {', '.join(failed)}")


if __name__ == "__main__":
    main()

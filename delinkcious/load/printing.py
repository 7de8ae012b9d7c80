"""What a command says of a report on a terminal; the whole of it stands in the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from delinkcious.load import knee
from delinkcious.load.capacity import Capacity
from delinkcious.load.comparing import Comparison
from delinkcious.load.live import steps
from delinkcious.load.report import Figures, Run
from delinkcious.terminal import console, shown

SLOWEST = 3


def print_run(run: Run, files: Sequence[Path]) -> None:
    """The figures, the slowest requests, and where the report is."""
    table = Table("request", "sent", "a second", "p50 ms", "p90 ms", "p99 ms", "failed", box=None)
    for name, row in [*run.requests.items(), ("all", run.total)]:
        table.add_row(*_cells(name, row), style="bold" if name == "all" else "")
    printed = console()
    printed.print(table)
    for each in run.slowest[:SLOWEST]:
        why = each.explained or f"no trace: {each.why_not}"
        _line(f"\n{each.took_ms:.0f} ms  {each.name}: {shown(why)}")
        for page in each.pages[:1]:
            _line(page)
    if run.interrupted:
        _line(f"\nInterrupted after {run.seconds:.0f} s.")
    _line(f"\n{run.sampling}")
    _where(files)


def _cells(name: str, row: Figures) -> list[str]:
    quantiles = ["" if ms is None else f"{ms:.1f}" for ms in (row.p50_ms, row.p90_ms, row.p99_ms)]
    errors = ", ".join(f"{count} x {outcome}" for outcome, count in sorted(row.errors.items()))
    return [name, str(row.count), f"{row.rate:.1f}", *quantiles, errors]


def print_capacity(found: Capacity, files: Sequence[Path]) -> None:
    """The curve and its verdict."""
    printed = console()
    printed.print(steps(found.points))
    verdict = found.verdict
    if verdict is None:
        _line("No step was done.")
    else:
        _line("")
        for sentence in knee.told(verdict):
            _line(sentence)
    _where(files)


def print_comparison(found: Comparison) -> None:
    """A line for each figure, what is beyond noise marked."""
    table = Table("request", "figure", "before", "after", "ratio of blocks", "99 % between", "", box=None)
    for each in found.differences:
        bounds = "" if each.low is None or each.high is None else f"{each.low:.2f} and {each.high:.2f}"
        verdict = ("worse" if each.worse else "better") if each.beyond_noise else "within noise"
        if each.low is None and not each.beyond_noise and each.figure != "failed share":
            verdict = "too few blocks to tell"
        style = {"worse": "bold red", "better": "green"}.get(verdict, "")
        cells = (each.of, each.figure, f"{each.before:.4g}", f"{each.after:.4g}", f"{each.ratio:.2f}")
        table.add_row(*cells, bounds, verdict, style=style)
    printed = console()
    printed.print(table)
    _line(f"\nbefore: {found.before}; after: {found.after}")
    for doubt in found.doubts:
        _line(f"Hardly comparable: {doubt}.")


def _where(files: Sequence[Path]) -> None:
    _line("\n" + "  ".join(map(str, files)))


def _line(text: str) -> None:
    console().print(text, markup=False, highlight=False, soft_wrap=True)

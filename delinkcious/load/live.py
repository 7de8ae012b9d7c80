"""What a person sees while the load runs: how far it is, and a table that follows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from delinkcious.load.knee import Point
from loadtest.tally import Tally

REDRAWN_A_SECOND = 2


class Screen:
    """Drawn on a terminal; elsewhere nothing is."""

    def __init__(self, live: Live | None, total_s: float, what: str) -> None:
        self._live = live
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._bar = Progress(*columns, TimeRemainingColumn())
        self._task = self._bar.add_task(what, total=total_s)

    def show(self, elapsed_s: float, what: str, table: Table) -> None:
        self._bar.update(self._task, completed=elapsed_s, description=what)
        if self._live is not None:
            self._live.update(Group(self._bar, table))


@contextmanager
def screen(total_s: float, what: str) -> Iterator[Screen]:
    """A screen on standard error, so that what is printed can be passed on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Screen(None, total_s, what)
        return
    with Live(console=console, refresh_per_second=REDRAWN_A_SECOND, transient=True) as live:
        made = Screen(live, total_s, what)
        live.update(made._bar)
        yield made


def so_far(tally: Tally, users: int) -> Table:
    """Every kind of request, the whole last."""
    elapsed = max(time.time() - tally.began_at, 1e-9)
    table = Table("request", "sent", "a second", "p50 ms", "p99 ms", "failed", box=None)
    for name in [*tally.names(), None]:
        row = tally.total(name=name)
        quantiles = [_ms(row.quantile_s(share)) for share in (0.5, 0.99)]
        failed = row.count - row.good
        shown = name or f"all ({users} users or on their way)"
        style = "bold" if name is None else "red" if failed else ""
        cells = (shown, str(row.count), f"{row.good / elapsed:.1f}", *quantiles, str(failed or ""))
        table.add_row(*cells, style=style)
    return table


def steps(points: list[Point]) -> Table:
    """The curve so far, by offered load."""
    table = Table("offered /s", "answered well in time /s", "p50 ms", "p99 ms", "failed", box=None)
    for point in sorted(points, key=lambda each: each.offered):
        quantiles = ["" if ms is None else f"{ms:.1f}" for ms in (point.p50_ms, point.p99_ms)]
        table.add_row(f"{point.offered:.1f}", f"{point.goodput:.1f}", *quantiles, str(point.failed or ""))
    return table


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:.1f}"

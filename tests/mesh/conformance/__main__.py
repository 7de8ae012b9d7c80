"""`python -m tests.mesh.conformance`: every case on every control plane, and where they differ."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from tests.mesh.conformance import comparing
from tests.mesh.conformance.case import Case, every
from tests.mesh.conformance.plane import PLANES
from tests.mesh.conformance.running import Outcome, Suite
from tests.mesh.conformance.searching import MOST_FOUND
from tests.mesh.conformance.trying import FOLDER, searching, written

RANDOM_POLICIES = 50


@click.command()
@click.option("--only", default="", metavar="GROUP/NAME", help="Only the cases whose name begins so.")
@click.option(
    "--control-plane", "planes", type=click.Choice(list(PLANES)), multiple=True, help="Default: all."
)
@click.option("--random", "count", type=int, metavar="N", help="Random policies to try; default 50, or 0.")
@click.option("--seed", default=1, show_default=True, help="Where random policies begin.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def main(only: str, planes: Sequence[str], count: int | None, seed: int, output: str) -> None:
    """Run the cases, on all control planes unless some are named, and compare what these make of them.

    Random policies follow, unless `--only` says otherwise: the control planes answer the same requests, and
    the embedded one's are foreseen by `mesh explain`. Where they differ, the smallest case is written down.
    Exit code 1 when a difference is unexplained.
    """
    cases = every(only)
    if not cases and not count:
        raise click.ClickException(f"no case has a name that begins with {only!r}")
    progress = Console(stderr=True)
    outcomes = [each for plane in planes or PLANES for each in _run(plane, cases, progress)]
    count = (0 if only else RANDOM_POLICIES) if count is None else count
    tried, found = _tried(planes or list(PLANES), count, seed, progress)
    if output == "json":
        click.echo(json.dumps(comparing.told(outcomes, tried, found), indent=2))
    else:
        _show(outcomes, Console())
        click.echo("\n  ".join([f"{tried} different random policies tried, {len(found)} differ", *found]))
        if tried < count:
            click.echo(f"no more than {tried} of {count}: the search ends with {MOST_FOUND} that differ")
    sys.exit(bool(found) or comparing.total(comparing.counted(outcomes))["unexplained"] > 0)


def _run(plane: str, cases: Sequence[Case], progress: Console) -> list[Outcome]:
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        Suite(PLANES[plane], Path(folder)) as suite,
    ):
        return [suite.run(case) for case in track(cases, plane, console=progress, transient=True)]


def _tried(planes: Sequence[str], count: int, seed: int, progress: Console) -> tuple[int, list[str]]:
    """How many different policies were tried, and the files of the cases in which control planes differ."""
    if not count:
        return 0, []
    with Progress(console=progress, transient=True) as shown:
        task = shown.add_task("random policies", total=count)
        with searching(planes, lambda: shown.advance(task)) as search:
            files = [
                str(written(FOLDER / f"random-{seed}-{search.tried}.yaml", found))
                for found in search.disagreements(count, seed)
            ]
    return search.tried, files


def _show(outcomes: Sequence[Outcome], console: Console) -> None:
    kinds = comparing.counted(outcomes)
    table = Table("kind", title=" and ".join(sorted({outcome.plane for outcome in outcomes})))
    for column in comparing.COLUMNS:
        table.add_column(column, justify="right")
    for kind, count in kinds.items():
        table.add_row(kind, *(str(count[column]) for column in comparing.COLUMNS))
    table.add_section()
    whole = comparing.total(kinds)
    table.add_row("all", *(str(whole[column]) for column in comparing.COLUMNS))
    console.print(table)
    for name, several in comparing.by_case(outcomes).items():
        if comparing.verdict(several) == "unexplained":
            console.print(f"[bold]{name}[/bold]: {several[0].case.written.title}", highlight=False)
            for outcome in several:
                for problem in outcome.problems:
                    console.print(f"  {outcome.plane}: {problem}", markup=False, highlight=False)


if __name__ == "__main__":
    main()

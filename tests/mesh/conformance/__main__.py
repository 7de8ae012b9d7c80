"""`python -m tests.mesh.conformance`: every case on every control plane, and where they differ."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.mesh.conformance import comparing
from tests.mesh.conformance.case import Case, every
from tests.mesh.conformance.plane import PLANES
from tests.mesh.conformance.random_policies import Disagreement, differing
from tests.mesh.conformance.running import Outcome, Suite


@click.command()
@click.option("--only", default="", metavar="GROUP/NAME", help="Only the cases whose name begins so.")
@click.option(
    "--control-plane", "planes", type=click.Choice(list(PLANES)), multiple=True, help="Default: all."
)
@click.option("--random", "examples", default=100, show_default=True, help="Random policies; 0 with --only.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def main(only: str, planes: Sequence[str], examples: int, output: str) -> None:
    """Run the cases, on all control planes unless some are named, and compare what these make of them.

    Exit code 1 when a difference is unexplained.
    """
    cases = every(only)
    if not cases:
        raise click.ClickException(f"no case has a name that begins with {only!r}")
    progress = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        suites = [_suite(stack, plane) for plane in planes or PLANES]
        outcomes = [each for suite in suites for each in _run(suite, cases, progress)]
        found = None
        if examples := 0 if only else examples:
            progress.print(f"{examples} random policies")
            found = differing(suites, examples)
    if output == "json":
        click.echo(json.dumps(comparing.told(outcomes, examples, found), indent=2))
    else:
        _show(outcomes, Console())
        _show_random(examples, found, Console())
    sys.exit(found is not None or comparing.total(comparing.counted(outcomes))["unexplained"] > 0)


def _suite(stack: contextlib.ExitStack, plane: str) -> Suite:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-"))
    return stack.enter_context(Suite(PLANES[plane], Path(folder)))


def _run(suite: Suite, cases: Sequence[Case], progress: Console) -> list[Outcome]:
    return [suite.run(case) for case in track(cases, suite.name, console=progress, transient=True)]


def _show_random(examples: int, found: Disagreement | None, console: Console) -> None:
    told = "the control planes agree on all" if found is None else "they do not agree on"
    console.print(f"{examples} random policies: {told}", highlight=False)
    if found is not None:
        console.print(found.text, markup=False, highlight=False)
        for plane, answers in found.found.items():
            console.print(f"{plane}: {answers}", markup=False, highlight=False)


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

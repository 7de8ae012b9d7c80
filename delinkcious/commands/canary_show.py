"""The verbs of `delinkcious canary` that read a run's journal: status, watch, history, explain, replay."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from delinkcious.asking import INTERRUPTED, output_option
from delinkcious.canary import fetching, finding, kubernetes, listing, watching
from delinkcious.canary.beside import Beside, mesh_of
from delinkcious.canary.drawing import screen
from delinkcious.canary.kubernetes import Where
from delinkcious.canary.replaying import Replayed
from delinkcious.canary.replaying import replay as replayed
from delinkcious.terminal import console, shown
from mesh.canary.runs.folder import Folder, FolderError
from mesh.canary.views import words
from mesh.canary.views.explaining import paragraphs
from mesh.canary.views.following import NotAJournal, read
from mesh.canary.views.summary import summary

NEWEST = 20

state_option = click.option(
    "--state", type=click.Path(path_type=Path), help="The local installation's folder [default: .delinkcious]"
)


@contextmanager
def journal(name: str | None, state: Path | None, where: Where | None) -> Iterator[Path]:
    """The one that is meant, while it is needed. Raises FolderError, LookupError."""
    if where is None:
        yield finding.journal(name, state)
        return
    with fetching.fetched(where, name) as runs:
        if not (found := runs.runs()):
            raise FolderError("there is no run yet: `delinkcious canary start` begins one")
        yield found[-1]


@contextmanager
def _runs(service: str | None, most: int, state: Path | None, where: Where | None) -> Iterator[Folder]:
    if where is None:
        yield finding.folder(state)
        return
    with fetching.fetched(where, service, most) as there:
        yield there


@contextmanager
def clearly() -> Iterator[None]:
    """Whatever cannot be found or read becomes one sentence."""
    try:
        yield
    except (FolderError, LookupError, NotAJournal) as error:
        raise click.ClickException(shown(str(error))) from None


@click.command()
@click.argument("name", metavar="[RUN|SERVICE|FILE]", required=False)
@output_option
@state_option
@kubernetes.options()
def status(name: str | None, output: str, state: Path | None, where: Where | None) -> None:
    """Show where a run stands; without a name all that go on, or the last one."""
    if where is not None:
        _status_there(kubernetes.standing(where, name), output)
        return
    with clearly():
        going = [] if name else finding.folder(state).unfinished()
        if len(going) > 1:
            _list(listing.rows(going), output)
            return
        path = finding.journal(name, state)
        told = read(path)
    if output == "json":
        click.echo(msgspec.json.encode(summary(told, time.time())))
        return
    printed = console()
    now = told.last_at if told.ended else time.time()
    printed.print(screen(told, now, min(printed.width, 100), beside=Beside(path, mesh_of(state))(told)))


@click.command()
@click.argument("name", metavar="[RUN|SERVICE|FILE]", required=False)
@output_option
@state_option
@kubernetes.options()
def watch(name: str | None, output: str, state: Path | None, where: Where | None) -> None:
    """Follow a run until it ends; without a name the newest that goes on.

    On a terminal it is a picture, elsewhere a line for each change, with -o json each event as the journal
    has it. Ctrl-C ends watching only, never the run.

    Exits with 0 when the version was promoted, 1 when it was rolled back or a person aborted the run, 3 when
    it ended without a verdict, 130 after Ctrl-C.
    """
    try:
        with clearly():
            if where is None:
                path = watching.found(lambda: finding.journal(name, state), FolderError)
                code = watching.watch(path, output, console(), mesh_of(state))
            else:
                with journal(name, None, where) as path, fetching.growing(where, path):
                    code = watching.watch(path, output, console())
    except KeyboardInterrupt:
        click.echo("The run goes on.", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(code)


@click.command()
@click.argument("service", required=False)
@click.option(
    "-n",
    "--last",
    type=click.IntRange(min=1),
    default=NEWEST,
    show_default=True,
    help="Only so many, the newest.",
)
@output_option
@state_option
@kubernetes.options(short=False)
def history(service: str | None, last: int, output: str, state: Path | None, where: Where | None) -> None:
    """List runs, the newest last: how they ended, what they saw, what they cost."""
    with clearly(), _runs(service, last, state, where) as folder:
        runs = [run for run in folder.runs() if service in (None, run.parent.name)]
        if not runs and service is not None:
            raise FolderError(f"no service with runs is called {service!r}")
        if runs or output == "json":
            _list(listing.rows(runs[-last:]), output)
        else:
            click.echo("There is no run yet: `delinkcious canary start` begins one.")


@click.command()
@click.argument("name", metavar="RUN|SERVICE|FILE")
@output_option
@state_option
@kubernetes.options()
def explain(name: str, output: str, state: Path | None, where: Where | None) -> None:
    """Say in words why a run ended so, or where it stands; a journal may come from another machine."""
    with clearly(), journal(name, state, where) as path:
        told = read(path)
    said = paragraphs(told, time.time())
    if output == "json":
        about = msgspec.to_builtins(summary(told, time.time()))
        click.echo(json.dumps({**about, "paragraphs": said}))
        return
    printed = console()
    printed.width = min(printed.width, 100) if printed.is_terminal else printed.width
    for number, paragraph in enumerate(said):
        if number:
            printed.print()
        printed.print(shown(paragraph), markup=False, highlight=False)


@click.command()
@click.argument("name", metavar="RUN|SERVICE|FILE")
@click.option(
    "--restart-every",
    type=click.IntRange(min=1),
    metavar="EVENTS",
    help="Write the decider down and read it again before every so many events.",
)
@output_option
@state_option
@kubernetes.options()
def replay(
    name: str, restart_every: int | None, output: str, state: Path | None, where: Where | None
) -> None:
    """Decide a run anew from what was recorded, and compare every decision, bit for bit.

    Exits with 1 when one differs.
    """
    with clearly(), journal(name, state, where) as path:
        found = replayed(path, restart_every=restart_every)
    if output == "json":
        click.echo(msgspec.json.encode({**msgspec.to_builtins(found), "identical": found.identical}))
    else:
        click.echo(shown(_compared(found)))
    sys.exit(0 if found.identical else 1)


def _status_there(found: list[dict[str, Any]], output: str) -> None:
    if output == "json":
        click.echo(
            json.dumps([{"name": one["metadata"]["name"], **(one.get("status") or {})} for one in found])
        )
        return
    for one in found:
        for line in kubernetes.told(one):
            click.echo(shown(line))
    if not found:
        click.echo("There is no Rollout object in this namespace.")


def _compared(found: Replayed) -> str:
    restarts = f", over {words.counted(found.restarts, 'restart')}" if found.restarts else ""
    if found.first is None:
        return f"{words.counted(found.decisions, 'decision')}, all identical{restarts}"
    first = found.first
    return (
        f"{found.differing} of {found.decisions} decisions differ{restarts}; the first at event "
        f"{first.event}: {first.field} is recorded as {first.recorded!r} and is {first.replayed!r} anew"
    )


def _list(found: list[listing.Row], output: str) -> None:
    if output == "json":
        click.echo(json.dumps([listing.plain(row) for row in found]))
        return
    printed = console()
    printed.print(listing.table(found, printed))

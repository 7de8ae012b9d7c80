"""`delinkcious fault list`, `inject`, `clear`: break the local installation, and see which alert tells."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.table import Table

from delinkcious import local
from delinkcious.commands import mesh_show
from delinkcious.faults import catalogue, holding, records
from delinkcious.faults.model import Fault
from delinkcious.faults.site import Site
from delinkcious.terminal import console

LONGEST_S = 3_600.0

state_option = click.option(
    "--state", type=click.Path(path_type=Path), help="The local installation's folder [default: .delinkcious]"
)
NAMES = click.Choice(list(catalogue.FAULTS))


@click.group()
def fault() -> None:
    """Break the local installation on purpose, for a bounded time."""


@fault.command(name="list")
@state_option
def list_(state: Path | None) -> None:
    """Show every fault, which alert tells of it, and what is injected now."""
    site = _site(state)
    table = Table("fault", "what it does", "alert", "now", box=None, pad_edge=False)
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    for name, known in catalogue.FAULTS.items():
        table.add_row(name, known.does, ", ".join(known.alerts), _now(site, known))
    console().print(table)


@fault.command()
@click.argument("name", metavar="NAME", type=NAMES)
@click.option(
    "--for",
    "for_s",
    type=click.FloatRange(min=1, max=LONGEST_S),
    default=600.0,
    show_default=True,
    help="After so many seconds it is cleared by itself.",
)
@state_option
def inject(name: str, for_s: float, state: Path | None) -> None:
    """Break something; `delinkcious fault list` has the names."""
    site, known = _site(state), catalogue.FAULTS[name]
    try:
        local.ingress_url(site.state.folder)  # nothing else is broken but this project on this machine
        record = holding.inject(site, known, for_s)
    except (holding.NotInjected, *holding.TROUBLE) as error:
        _fail(f"{name} is not injected: {mesh_show.nearer(str(error))}")
    click.echo(f"{name}: {known.does}")
    click.echo(f"It ends by itself in {record.left_s:.0f} s, or by: delinkcious fault clear {name}")
    click.echo(
        f"While there are requests, {known.within_s:.0f} s or less from now: {', '.join(known.alerts)}"
    )
    try:
        click.echo(f"Look at the alerts: {local.console_url(site.state.folder)}alerts/")
    except LookupError as error:
        click.echo(str(error))


@fault.command()
@click.argument("name", metavar="[NAME]", type=NAMES, required=False)
@state_option
def clear(name: str | None, state: Path | None) -> None:
    """Mend what was injected: one fault, or all."""
    site = _site(state)
    failed = False
    cleared = []
    for known in [catalogue.FAULTS[name]] if name else catalogue.FAULTS.values():
        try:
            if holding.clear(site, known):
                cleared.append(known.name)
                click.echo(f"{known.name} is cleared")
        except holding.TROUBLE as error:
            failed = True
            click.echo(f"{known.name} is not cleared: {mesh_show.nearer(str(error))}", err=True)
    if failed:
        sys.exit(1)
    if not cleared:
        click.echo(f"{name or 'Nothing'} is {'not ' if name else ''}injected.")


def _now(site: Site, known: Fault) -> str:
    record = records.read(site.state, known.name)
    if record is None:
        return ""
    return f"for {record.left_s:.0f} s" if record.held else "left behind: clear it"


def _site(state: Path | None) -> Site:
    try:
        return Site(local.project(), local.state(state))
    except LookupError as error:
        _fail(str(error))


def _fail(sentence: str) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(1)

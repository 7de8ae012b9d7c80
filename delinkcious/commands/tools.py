"""`delinkcious tools`: the programs beside the application, which of them are here, bringing the rest."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.status import Status
from rich.table import Table

from delinkcious import terminal
from delinkcious.tools import finding, installing
from delinkcious.tools.catalogue import ALL, FOR_ISTIOD, FOR_KUBERNETES, HELM, KUBECTL, TOOLS, Tool, pinned
from delinkcious.tools.errors import ToolUnavailable


@click.group()
def tools() -> None:
    """Jaeger, Prometheus, what tests rules, a Kubernetes, istiod: say where they are, or bring them."""


@tools.command("list")
def list_() -> None:
    """Show each tool, its version and where it is."""
    table = Table("tool", "for", "version", "where", box=None, pad_edge=False)
    for tool in ALL.values():
        found = finding.find(tool)
        version = (found.version or "unknown") if found else "-"
        table.add_row(tool.name, tool.what, version, found.path if found else missing(tool))
    terminal.console().print(table)


@tools.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(list(ALL)))
@click.option("--kubernetes", is_flag=True, help="All that delinkcious up --kubernetes needs.")
@click.option("--istiod", is_flag=True, help="All that delinkcious mesh up --control-plane istiod needs.")
def install(names: tuple[str, ...], kubernetes: bool, istiod: bool) -> None:
    """Bring tools that are missing: from the system's package, else built by Go (minutes, once).

    What only a Kubernetes or istiod needs is brought when it is named, or all of it by the options.

    Exit code 1 when one cannot be had.
    """
    errors = 0
    wanted = (*names, *(FOR_KUBERNETES if kubernetes else ()), *(FOR_ISTIOD if istiod else ()))
    for name in dict.fromkeys(wanted) or TOOLS:
        errors += not _installed(ALL[name])
    if errors:
        sys.exit(1)


def _installed(tool: Tool) -> bool:
    began = time.monotonic()
    console = Console(stderr=True)
    try:
        with console.status(f"{tool.name} ...") as status:
            found = installing.install(tool, _progress(tool, status, console, began))
    except ToolUnavailable as error:
        click.echo(f"{tool.name}: {error}", err=True)
        return False
    click.echo(f"{tool.name} {found.version} is {found.path}")
    if tool in (HELM, KUBECTL) and found.where == "cache":
        _put_on_path(found.path)
    return True


def _put_on_path(program: str) -> None:
    """Beside this command, where the people who call it have their PATH lead to."""
    link = Path(sys.executable).parent / Path(program).name
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(program)


def _progress(tool: Tool, status: Status, console: Console, began: float) -> Callable[[str], None]:
    """A line that changes on a terminal; elsewhere what is begun, not each of a thousand packages."""
    packages = 0

    def report(text: str) -> None:
        nonlocal packages
        is_package = " " not in text
        packages += is_package
        if not is_package:
            console.print(f"{tool.name}: {text}", highlight=False, markup=False)
        status.update(f"{tool.name}: {packages} packages, {time.monotonic() - began:.0f} s, {text[-60:]}")

    return report


def missing(tool: Tool) -> str:
    """Why it is not there, and what to do."""
    if installing.in_the_making(tool):
        return f"is being made: see {installing.log(tool)}"
    if why := installing.failed(tool):
        return (
            f"could not be had, try again with delinkcious tools install {tool.name}: {why.splitlines()[0]}"
        )
    old = finding.too_old(tool)
    return f"missing{f' ({old})' if old else ''}: delinkcious tools install {tool.name} ({pinned(tool)})"

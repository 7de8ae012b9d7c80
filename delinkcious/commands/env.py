"""`delinkcious env`: the environments of this checkout."""

from __future__ import annotations

import sys

import click

from delinkcious import environments, local
from mesh.local.runtime.state import State


@click.group()
def env() -> None:
    """Run several environments side by side: dev, staging."""


@env.command("list")
def list_() -> None:
    """Show each environment, whether it runs, and where."""
    try:
        found = list(environments.environments(local.project()))
    except LookupError as error:
        sys.exit(str(error))
    for environment in found:
        mark = "*" if environment.name == environments.chosen() else " "
        running = State(environment.folder).holder() is not None
        where = local.relative(environment.folder)
        click.echo(
            f"{mark} {environment.name:<12}{'up' if running else 'down':<6}{where:<24}{_url(environment)}"
        )


def _url(environment: environments.Environment) -> str:
    try:
        return local.ingress_url(environment.folder)
    except LookupError:
        return ""

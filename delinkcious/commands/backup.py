"""`delinkcious backup` and `restore`: the data of the installation of this machine as one file."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import asyncpg
import click

from delinkcious import environments, local
from delinkcious.asking import UNREACHABLE, Failed, run
from delinkcious.backup import restoring, taking
from delinkcious.backup.archive import NoBackup
from delinkcious.backup.snapshots import NotDumped
from delinkcious.commands.up import environment_option, state_option
from delinkcious.stores.postgres import PostgresUnavailable
from mesh.local.runtime.errors import MeshBusy, MeshError
from mesh.local.runtime.state import State
from services.kit.events.bus import AWAY

FAILURES = (NoBackup, NotDumped, PostgresUnavailable, MeshError, asyncpg.PostgresError)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--without-keys", is_flag=True, help="Leave out what encrypts signing keys and signs sessions.")
@click.option("--force", is_flag=True, help="Replace FILE, if it is there.")
@state_option
@environment_option
def backup(file: Path, without_keys: bool, force: bool, state: Path | None, environment: str | None) -> None:
    """Write everything that people have saved into FILE, while it is in use.

    All databases at one moment, the events that somebody has still to hear of, and the keys: keep the file as
    a secret. Timelines are not in it, since they are made of the rest.
    """
    if file.exists() and not force:
        raise Failed(f"{file} is there already; --force replaces it")
    folder = _state(state, environment).folder
    began = time.monotonic()
    try:
        made = run(taking.take(folder, file.absolute(), with_keys=not without_keys))
    except LookupError as error:
        raise Failed(str(error), UNREACHABLE) from None
    except FAILURES as error:
        raise Failed(str(error)) from None
    except AWAY as error:
        raise Failed(f"the stores do not answer: {error or type(error).__name__}", UNREACHABLE) from None
    size = file.stat().st_size / 1e6
    told = f"{len(made.databases)} databases, {made.events} events under way"
    click.echo(f"{file}: {told}, {size:.1f} MB ({time.monotonic() - began:.1f} s)")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_option
@environment_option
def restore(file: Path, yes: bool, state: Path | None, environment: str | None) -> None:
    """Make the installation what it was when FILE was written; it must be down.

    What is there now is put aside, not deleted. `delinkcious up` then brings the schema up to date, publishes
    the events that were under way and builds the timelines.
    """
    where = _state(state, environment)
    if not yes:
        what = local.relative(where.folder)
        click.confirm(f"Everything in {what} becomes what it was then. Go on?", abort=True)
    began = time.monotonic()
    try:
        found, before = run(restoring.restore(where, file))
    except MeshBusy:
        end = _command("down", state, environment)
        raise Failed(f"a mesh already runs in {local.relative(where.folder)}; end it with `{end}`") from None
    except (*FAILURES, OSError) as error:
        raise Failed(str(error) or type(error).__name__) from None
    click.echo(f"Restored as of {found.taken_at:%Y-%m-%d %H:%M:%S} UTC ({time.monotonic() - began:.1f} s).")
    if before is not None:
        click.echo(f"What was there before is in {local.relative(before)}; delete it when all is well.")
    click.echo(f"Next: {_command('up', state, environment)}")


def _command(verb: str, state: Path | None, environment: str | None) -> str:
    """A further command for the same installation, as this one was told which."""
    named = [("--state", state), ("--env", environment)]
    told = [word for option, value in named if value is not None for word in (option, str(value))]
    return shlex.join(["delinkcious", verb, *told])


def _state(state: Path | None, environment: str | None) -> State:
    try:
        return local.state(state, environment)
    except (environments.NoEnvironment, local.NotACheckout) as error:
        raise Failed(str(error)) from None

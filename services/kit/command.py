"""The command line of a service: `python -m services.NAME [COMMAND ...]`; without a command it serves.

What a command does not need is not imported: a migration starts in a third of the time of its service.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
from collections.abc import Mapping, Sequence

import asyncpg
import structlog

from services.kit.migrate import InvalidMigration, Phase, migrate
from services.kit.process import begin, ending
from services.kit.settings import InvalidSettings, ServiceSettings

MIGRATE = "migrate"

_log = structlog.get_logger(__name__)


def main(
    package: str, commands: Mapping[str, str] | None = None, arguments: Sequence[str] | None = None
) -> None:
    """Do what the command line says, and exit.

    `package` is the service's (`services.links`); its `app.main` serves. `commands`: the modules of further
    commands by their names, each with a `main(arguments)`.
    """
    modules = commands or {}
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description="Serves, without a command.")
    names = parser.add_subparsers(dest="command", metavar="COMMAND")
    names.add_parser(MIGRATE, add_help=False, help="bring the database to the schema of this version")
    for name in modules:
        names.add_parser(name, add_help=False, help=f"{name} --help tells more")
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.command == MIGRATE:
        _migrate(package, rest)
    elif chosen.command is not None:
        importlib.import_module(modules[chosen.command]).main(rest)
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    else:
        importlib.import_module(f"{package}.app").main()


def _migrate(package: str, arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {package} {MIGRATE}")
    parser.add_argument("--phase", choices=("pre", "post", "all"), default="all")
    phase: Phase = parser.parse_args(arguments).phase
    with ending(package, InvalidMigration, asyncpg.PostgresError, OSError):
        # A migration needs the database and nothing else that the service is told.
        settings = begin(package, ServiceSettings)
        if not settings.database_url:
            raise InvalidSettings("DATABASE_URL is missing")
        applied = asyncio.run(migrate(settings.database_url.reveal(), package, phase))
        _log.info("schema is current", package=package, phase=phase, applied=len(applied))

"""Schema changes: SQL files, applied once each, forward only, one process at a time.

A package's `migrations/` holds `0001_links.sql`, `0002_pre_add_checked_at.sql`, `0003_post_drop_status.sql`.
Files marked `post_` wait until the old version of the program is gone (`phase` "post"); all others run
before the new version starts (`phase` "pre"). A `post_` file followed by a file of the "pre" phase belongs
to an earlier release and runs there, in order. Each file is one transaction, unless its first line is
`-- no transaction` (for CREATE INDEX CONCURRENTLY); such a file holds one statement.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Literal

import asyncpg
import structlog

Phase = Literal["pre", "post", "all"]

KIT = "services.kit"
# Any number will do, as long as it is the same in every process; these are the letters "migr".
LOCK = 0x6D696772
# A change that cannot have its lock soon gives up, rather than queue every reader behind itself.
LOCK_TIMEOUT_MS = 5_000

_NAME = re.compile(r"(\d{4})_(?:(pre|post)_)?[a-z0-9_]+\.sql")
_log = structlog.get_logger(__name__)

TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    package text NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package, name)
)
"""


class InvalidMigration(Exception):
    """A migration that was edited after it was applied, or whose name or place is wrong."""


@dataclass(frozen=True)
class Migration:
    """One file; `checksum` is the SHA-256 of its text."""

    package: str
    name: str
    sql: str

    @property
    def post(self) -> bool:
        match = _NAME.fullmatch(self.name)
        return match is not None and match[2] == "post"

    @property
    def in_transaction(self) -> bool:
        return not self.sql.startswith("-- no transaction")

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(package: str) -> list[Migration]:
    """The migrations of a package, in order; raises InvalidMigration for a wrong or repeated number."""
    folder = resources.files(package) / "migrations"
    files = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    for before, after in pairwise(files):
        if before[:4] == after[:4]:
            raise InvalidMigration(f"{package}: {before} and {after} have the same number")
    for name in files:
        if _NAME.fullmatch(name) is None:
            raise InvalidMigration(f"{package}: {name} is not named like 0001_what.sql, 0002_pre_what.sql")
    return [Migration(package, name, (folder / name).read_text()) for name in files]


async def migrate(url: str, package: str, phase: Phase = "all") -> list[str]:
    """Bring the database at `url` to the schema of `package` and of the kit; returns the names applied.

    Raises InvalidMigration, asyncpg's error of the statement that failed, or OSError without a server.
    """
    migrations = [*read(KIT), *read(package)]
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await connection.execute(TABLE)
        await connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        rows = await connection.fetch("SELECT package, name, checksum FROM schema_migrations")
        applied = {(row["package"], row["name"]): row["checksum"] for row in rows}
        due = pending(migrations, applied, phase)
        for migration in due:
            await _apply(connection, migration)
            _log.info("migrated", package=migration.package, migration=migration.name)
        return [migration.name for migration in due]
    finally:
        await connection.close()


def pending(
    migrations: Sequence[Migration], applied: Mapping[tuple[str, str], str], phase: Phase
) -> list[Migration]:
    """What is to be applied in this phase, in order; raises InvalidMigration for an edited file."""
    due = []
    for migration in migrations:
        checksum = applied.get((migration.package, migration.name))
        if checksum is None:
            due.append(migration)
        elif checksum != migration.checksum:
            raise InvalidMigration(
                f"{migration.package}: {migration.name} was edited after it was applied; "
                "restore it and write the change as a new file"
            )
    if phase == "pre":
        while due and due[-1].post:
            due.pop()
    return due


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    record = "INSERT INTO schema_migrations (package, name, checksum) VALUES ($1, $2, $3)"
    values = (migration.package, migration.name, migration.checksum)
    if not migration.in_transaction:
        await connection.execute(migration.sql)
        await connection.execute(record, *values)
        return
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(record, *values)

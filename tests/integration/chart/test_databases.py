"""The chart's scripts for PostgreSQL do what they are for, on a real one: roles, backup, and the way back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import asyncpg
import pytest

from delinkcious.chart import CHART
from delinkcious.stores.postgres import Postgres, binary

ROLES, BACKUP, RESTORE = (
    CHART / "files" / name for name in ("stores/roles.sh", "backup/backup.sh", "backup/restore.sh")
)
pytestmark = pytest.mark.anyio

TABLE = "CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL)"


@pytest.fixture
def environment(postgres: Postgres) -> dict[str, str]:
    """As in the pod: who connects from it to itself needs no password there, and here says it."""
    folder = Path(binary("postgres")).parent
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PGHOST": postgres.host,
        "PGPORT": str(postgres.port),
        "PGPASSWORD": postgres.password,
        "PASSWORD_POSTGRES": postgres.password,
        "ATTEMPTS": "1",
    }


def run(script: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, timeout=60)


def ensure(environment: dict[str, str], **passwords: str) -> None:
    names = [name for name in passwords if name != "monitoring"]
    variables = {f"PASSWORD_{name.upper()}": password for name, password in passwords.items()}
    roles = " ".join(name.replace("_", "-") for name in names)
    done = run(ROLES, {**environment, "ROLES": roles, "MONITOR": "monitoring", **variables})
    assert done.returncode == 0, done.stderr


async def query(url: str, *statements: str) -> list[object]:
    connection = await asyncpg.connect(url)
    try:
        found: list[object] = []
        for statement in statements:
            found += [row[0] for row in await connection.fetch(statement)]
        return found
    finally:
        await connection.close()


async def test_every_role_has_its_own_database_and_no_other(
    postgres: Postgres, environment: dict[str, str]
) -> None:
    ensure(environment, one_chart='it\'s "a" $1 \\ password', two="second", monitoring="third")
    first = postgres.url("one-chart", 'it\'s "a" $1 \\ password', "one-chart")
    await query(first, TABLE, "INSERT INTO notes VALUES (1, 'kept')")
    for role, database in (("one-chart", "two"), ("two", "one-chart")):
        password = "second" if role == "two" else 'it\'s "a" $1 \\ password'
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await query(postgres.url(role, password, database), "SELECT 1")
    monitor = postgres.url("monitoring", "third", "postgres")
    assert await query(monitor, "SELECT count(*) > 0 FROM pg_stat_activity") == [True]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await query(postgres.url("monitoring", "third", "two"), "SELECT 1")

    ensure(environment, one_chart="changed", two="second", monitoring="third")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(first, "SELECT 1")
    changed = postgres.url("one-chart", "changed", "one-chart")
    assert await query(changed, "SELECT text FROM notes") == ["kept"]


@pytest.fixture
async def backed_up(postgres: Postgres, environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of both scripts, with two databases of which the first holds something."""
    ensure(environment, a_chart="first", b_chart="second", monitoring="third")
    for name, password in (("a-chart", "first"), ("b-chart", "second")):
        url = postgres.url(name, password, name)
        (tmp_path / "secrets" / name).mkdir(parents=True)
        (tmp_path / "secrets" / name / "url").write_text(url)
        await query(url, "DROP OWNED BY CURRENT_USER CASCADE", TABLE)
    await query((tmp_path / "secrets/a-chart/url").read_text(), "INSERT INTO notes VALUES (1, 'before')")
    (tmp_path / "dumps").mkdir()
    return {
        "PATH": environment["PATH"],
        "SECRETS": str(tmp_path / "secrets"),
        "BACKUPS": str(tmp_path / "dumps"),
        "SERVICES": "a-chart b-chart",
        "KEEP": "2",
    }


def dumps(environment: dict[str, str], service: str = "") -> list[str]:
    return sorted(each.name for each in Path(environment["BACKUPS"]).iterdir() if service in each.name)


async def test_a_database_comes_back_as_it_was_whatever_has_become_of_it(backed_up: dict[str, str]) -> None:
    url = (Path(backed_up["SECRETS"]) / "a-chart" / "url").read_text()
    for _ in range(2):  # the second time of what was itself restored
        done = run(BACKUP, backed_up)
        assert done.returncode == 0, done.stderr
        await query(
            url, "UPDATE notes SET text = 'after'", "ALTER TABLE notes ADD later int", "CREATE TABLE more ()"
        )
        done = run(RESTORE, {**backed_up, "SERVICE": "a-chart", "DUMP": "newest"})
        assert done.returncode == 0, done.stderr
        assert await query(url, "SELECT text FROM notes") == ["before"]
        tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
        assert await query(url, tables) == ["notes"]


async def test_a_dump_that_ends_early_changes_nothing(backed_up: dict[str, str]) -> None:
    url = (Path(backed_up["SECRETS"]) / "a-chart" / "url").read_text()
    await query(url, "INSERT INTO notes SELECT n, repeat(md5(n::text), 9) FROM generate_series(2, 3000) n")
    assert run(BACKUP, backed_up).returncode == 0
    (name,) = dumps(backed_up, "a-chart")
    file = Path(backed_up["BACKUPS"]) / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    await query(url, "DELETE FROM notes WHERE id > 1")
    done = run(RESTORE, {**backed_up, "SERVICE": "a-chart", "DUMP": name})
    assert done.returncode != 0
    assert await query(url, "SELECT text FROM notes") == ["before"]


async def test_only_the_newest_are_kept_and_only_behind_a_good_one(backed_up: dict[str, str]) -> None:
    for day in range(1, 5):
        (Path(backed_up["BACKUPS"]) / f"a-chart-2020010{day}T000000Z.dump").touch()
    (Path(backed_up["BACKUPS"]) / "a-chart-b-20200101T000000Z.dump").touch()
    wrong = Path(backed_up["SECRETS"]) / "b-chart" / "url"
    wrong.write_text(wrong.read_text().replace("second", "wrong"))
    done = run(BACKUP, backed_up)
    assert done.returncode == 1
    assert "b-chart: failed" in done.stderr
    assert dumps(backed_up, "a-chart-2")[0] == "a-chart-20200104T000000Z.dump"
    assert len(dumps(backed_up, "a-chart-2")) == 2
    assert dumps(backed_up, "a-chart-b")
    assert not dumps(backed_up, "partial") and not dumps(backed_up, "b-chart-2")


async def test_a_dump_of_another_service_is_refused(backed_up: dict[str, str]) -> None:
    assert run(BACKUP, backed_up).returncode == 0
    (other,) = dumps(backed_up, "b-chart")
    done = run(RESTORE, {**backed_up, "SERVICE": "a-chart", "DUMP": other})
    assert done.returncode == 1
    assert "is none of a-chart" in done.stderr
    assert run(RESTORE, {**backed_up, "SERVICE": "a-chart", "DUMP": "../x"}).returncode == 1

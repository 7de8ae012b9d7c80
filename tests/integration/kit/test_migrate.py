"""Migrations on a real database."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from services.kit.migrate import KIT, InvalidMigration, migrate, read
from tests.conftest import NewDatabase

KITS_OWN = [migration.name for migration in read(KIT)]
pytestmark = pytest.mark.anyio


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations folder of a package `planted_<name>`, which can be imported."""
    name = f"planted_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row["tablename"] for row in rows}


async def test_each_file_is_applied_once_and_the_kits_own_first(
    package: Path, new_database: NewDatabase
) -> None:
    (package / "0001_a.sql").write_text("CREATE TABLE a (); CREATE TABLE b ();")
    url, name = await new_database(), package.parent.name
    assert await migrate(url, name) == [*KITS_OWN, "0001_a.sql"]
    assert await migrate(url, name) == []
    assert {"a", "b", "idempotency_keys", "schema_migrations"} <= await tables(url)


async def test_processes_at_the_same_time_apply_it_once(package: Path, new_database: NewDatabase) -> None:
    (package / "0001_a.sql").write_text("SELECT pg_sleep(0.1); CREATE TABLE a ();")
    url, name = await new_database(), package.parent.name
    applied = await asyncio.gather(*(migrate(url, name) for _ in range(3)))
    assert sorted(map(len, applied)) == [0, 0, len(KITS_OWN) + 1]


async def test_a_file_that_fails_leaves_nothing_of_itself(package: Path, new_database: NewDatabase) -> None:
    (package / "0001_a.sql").write_text("CREATE TABLE a ();")
    (package / "0002_b.sql").write_text("CREATE TABLE b (); SELECT 1/0;")
    url, name = await new_database(), package.parent.name
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, name)
    assert (await tables(url)) & {"a", "b"} == {"a"}
    (package / "0002_b.sql").write_text("CREATE TABLE b ();")
    assert await migrate(url, name) == ["0002_b.sql"]


async def test_an_edited_file_is_named_and_nothing_is_done(package: Path, new_database: NewDatabase) -> None:
    (package / "0001_a.sql").write_text("CREATE TABLE a ();")
    url, name = await new_database(), package.parent.name
    await migrate(url, name)
    (package / "0001_a.sql").write_text("CREATE TABLE aa ();")
    (package / "0002_b.sql").write_text("CREATE TABLE b ();")
    with pytest.raises(InvalidMigration, match=r"0001_a\.sql was edited"):
        await migrate(url, name)
    assert "b" not in await tables(url)


async def test_post_files_wait_for_their_phase(package: Path, new_database: NewDatabase) -> None:
    (package / "0001_a.sql").write_text("CREATE TABLE a ();")
    (package / "0002_post_drop_a.sql").write_text("DROP TABLE a;")
    url, name = await new_database(), package.parent.name
    assert "0002_post_drop_a.sql" not in await migrate(url, name, "pre")
    assert "a" in await tables(url)
    assert await migrate(url, name, "post") == ["0002_post_drop_a.sql"]
    assert "a" not in await tables(url)


async def test_a_file_may_run_outside_of_a_transaction(package: Path, new_database: NewDatabase) -> None:
    (package / "0001_a.sql").write_text("CREATE TABLE a (x int);")
    (package / "0002_pre_index.sql").write_text("-- no transaction\nCREATE INDEX CONCURRENTLY i ON a (x);")
    assert "0002_pre_index.sql" in await migrate(await new_database(), package.parent.name, "pre")


async def test_a_server_of_an_older_version_finds_its_database_ahead_of_it(
    package: Path, new_database: NewDatabase
) -> None:
    newer = package / "0002_b.sql"
    (package / "0001_a.sql").write_text("CREATE TABLE a ();")
    newer.write_text("CREATE TABLE b ();")
    url, name = await new_database(), package.parent.name
    await migrate(url, name)
    newer.unlink()
    assert await migrate(url, name) == []

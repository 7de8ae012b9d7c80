import asyncpg
import pytest

from tests.conftest import MigratedDatabase


@pytest.mark.anyio
async def test_a_migrated_database_has_the_tables_of_the_kit_and_is_fresh_each_time(
    migrated_database: MigratedDatabase,
) -> None:
    for _ in range(2):
        connection = await asyncpg.connect(await migrated_database("tests.integration.kit.sample"))
        try:
            assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0
            assert await connection.fetchval("SELECT count(*) FROM notes") == 0
            await connection.execute("INSERT INTO notes (owner_id, text) VALUES (1, 'x')")
        finally:
            await connection.close()

"""The rows of links divided by their owner, as docs/operations.md says: each is asked in one part only."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest

from services.kit.migrate import migrate
from tests.integration.links.conftest import AsUser, Execute

pytestmark = pytest.mark.anyio


def statements(repository: Path) -> str:
    """The block of the page."""
    text = (repository / "docs" / "operations.md").read_text()
    (found,) = re.findall(r"^```sql\n(.*?)^```$", text, re.M | re.S)
    return str(found)


async def saved(as_user: AsUser, user: int, number: int) -> None:
    body = {"url": f"https://example.org/{number}", "tags": ["a"]}
    answer = await as_user(user).post("/api/v1/links", json=body)
    assert answer.status_code in (200, 201), answer.text


async def test_everything_goes_on_when_the_rows_are_divided(
    repository: Path, database_url: str, execute: Execute, as_user: AsUser
) -> None:
    for user in range(1, 9):
        await saved(as_user, user, 1)
    await execute(statements(repository))
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM links") == 8
        for user in range(1, 9):
            await saved(as_user, user, 1)
            await saved(as_user, user, 2)
            listed = (await as_user(user).get("/api/v1/links")).json()["items"]
            assert [item["url"] for item in listed] == ["https://example.org/2", "https://example.org/1"]
            found = (await as_user(user).get("/api/v1/links/search", params={"q": "tag:a"})).json()
            assert len(found["items"]) == 2
        other = (await as_user(2).get("/api/v1/links")).json()["items"][0]["id"]
        taken = await as_user(2).patch(f"/api/v1/links/{other}", json={"url": "https://example.org/1"})
        assert taken.status_code == 409, taken.text
        first = (await as_user(1).get("/api/v1/links")).json()["items"][0]["id"]
        removed = await as_user(1).delete(f"/api/v1/links/{first}")
        assert removed.status_code == 204
        assert await connection.fetchval("SELECT links FROM link_owners WHERE owner_id = 1") == 1
        assert await connection.fetchval("SELECT count(*) FROM outbox WHERE type LIKE '%removed%'") == 1
        parts = await connection.fetch("SELECT DISTINCT tableoid::regclass::text AS part FROM links")
        assert len(parts) > 1
        plan = await connection.fetch(
            "EXPLAIN (VERBOSE) SELECT owner_id FROM links WHERE owner_id = 7 ORDER BY created_at DESC"
        )
        text = "\n".join(row[0] for row in plan)
        assert len(set(re.findall(r"\blinks_\d+\.links\b", text))) == 1, text
        assert await migrate(database_url, "services.links", "all") == []
    finally:
        await connection.close()

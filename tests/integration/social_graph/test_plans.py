"""What lists and suggestions cost: PostgreSQL reads a page from an index, however large the graph is."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from services.social_graph import list_store
from services.social_graph.list_store import FRIENDS, FRIENDS_OF_EACH
from tests.integration.social_graph.conftest import Query, crowd

pytestmark = pytest.mark.anyio

PEOPLE, STARS, FOLLOWED_BY_EACH = 10_000, 150, 400
PAGE, SUGGESTED = 21, 10
LATEST = 2**62
LISTS = {
    "following": (list_store.FOLLOWING, (1, LATEST, PAGE)),
    "followers": (list_store.FOLLOWERS, (1, LATEST, PAGE)),
    "follower ids": (list_store.FOLLOWER_IDS, (1, 0, PAGE)),
    "following ids": (list_store.FOLLOWING_IDS, (1, 0, PAGE)),
    "edges": (list_store.EDGES, (1, 0, PAGE)),
}


async def fill(query: Query) -> None:
    """Stars follow each other and many more; nearly everybody follows the first of them."""
    await crowd(query, PEOPLE, 1)
    await query(
        """
        INSERT INTO follows (follower_id, followee_id)
        SELECT star, other FROM generate_series(1, $1::bigint) AS star,
               generate_series(star % 7 + 1, star % 7 + $2::bigint) AS other
        WHERE star <> other
        UNION SELECT fan, 1 FROM generate_series(1000, $3::bigint) AS fan""",
        STARS,
        FOLLOWED_BY_EACH,
        PEOPLE,
    )
    await query(
        "INSERT INTO blocks (blocker_id, blocked_id)"
        " SELECT fan, fan % 100 + 1 FROM generate_series(2000, 4000) AS fan"
    )
    await query("ANALYZE")


class Explained:
    """How PostgreSQL went about a statement, by steps, and the rows that each really had."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.steps = list(_steps(plan))

    def scans(self, relation: str) -> set[str]:
        """The ways in which rows of a table were found."""
        return {step["Node Type"] for step in self.steps if step.get("Relation Name") == relation}

    def rows_read(self, relation: str) -> float:
        """Rows that were looked at, those that were thrown away included."""
        found = [step for step in self.steps if step.get("Relation Name") == relation]
        rows = [(step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) for step in found]
        return float(sum(each * step["Actual Loops"] for each, step in zip(rows, found, strict=True)))


def _steps(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node.get("Plans", []) for inner in _steps(child))]


class Explain:
    """Asks for plans: those made for the values, or those made once for any, which a busy service has."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def __call__(self, sql: str, arguments: tuple[int, ...], mode: str) -> Explained:
        await self._connection.execute(f"SET plan_cache_mode = {mode}")
        await self._connection.execute(f"PREPARE asked AS {sql}")
        values = ", ".join(map(str, arguments))
        text = await self._connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked ({values})")
        await self._connection.execute("DEALLOCATE asked")
        return Explained(json.loads(text)[0]["Plan"])


@pytest.mark.timeout(300)
async def test_lists_and_suggestions_read_from_indexes_and_no_further_than_they_must(
    database_url: str, query: Query
) -> None:
    await fill(query)
    connection = await asyncpg.connect(database_url, statement_cache_size=0)
    explain = Explain(connection)
    indexes = {"Index Scan", "Index Only Scan"}
    try:
        for mode in ("force_custom_plan", "force_generic_plan"):
            for name, (sql, arguments) in LISTS.items():
                found = await explain(sql, arguments, mode)
                assert found.scans("follows") <= indexes, (mode, name, found.steps)
                assert found.rows_read("follows") == PAGE, (mode, name, found.steps)
                assert found.rows_read("people") <= PAGE, (mode, name, found.steps)
            found = await explain(list_store.SUGGEST, (2, SUGGESTED), mode)
            assert "Seq Scan" not in found.scans("follows"), (mode, found.steps)
            # The candidates; those already followed, at most once for each; the names of the best.
            assert found.rows_read("follows") <= FRIENDS + 2 * FRIENDS * FRIENDS_OF_EACH, (mode, found.steps)
            assert found.rows_read("people") <= 2 * SUGGESTED, (mode, found.steps)
    finally:
        await connection.close()

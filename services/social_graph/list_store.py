"""Lists of edges in PostgreSQL: in pages by version, so that what changes meanwhile shifts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

from services.kit.db import Database, Record
from services.social_graph.domain import Edge, ListedPerson, Suggestion
from services.social_graph.queries import EdgePlace

# What a suggestion costs at most: of so many whom one follows, the latest, as many again of each.
FRIENDS = 50
FRIENDS_OF_EACH = 100

# A name is looked up for each edge of the page and nothing is joined, so that no plan reads more of `people`.
# Who is on the way out has none, and is left out of the page that they would be on.
_NAME = "(SELECT p.username FROM people AS p WHERE p.user_id = edge.user_id) AS username"
_LISTED = f"""
    SELECT user_id, {_NAME}, created_at, version FROM ({{edges}} ORDER BY version DESC LIMIT $3) AS edge"""  # noqa: S608 - constants
FOLLOWING = _LISTED.format(
    edges="SELECT followee_id AS user_id, created_at, version FROM follows"
    " WHERE follower_id = $1 AND version < $2"
)
FOLLOWERS = _LISTED.format(
    edges="SELECT follower_id AS user_id, created_at, version FROM follows"
    " WHERE followee_id = $1 AND version < $2"
)
BLOCKS = _LISTED.format(
    edges="SELECT blocked_id AS user_id, created_at, version FROM blocks"
    " WHERE blocker_id = $1 AND version < $2"
)

# Oldest first: who comes while pages are read comes after them.
FOLLOWER_IDS = """
    SELECT follower_id AS user_id, version FROM follows WHERE followee_id = $1 AND version > $2
    ORDER BY version LIMIT $3"""
FOLLOWING_IDS = """
    SELECT followee_id AS user_id, version FROM follows WHERE follower_id = $1 AND version > $2
    ORDER BY version LIMIT $3"""
EDGES = """
    SELECT follower_id, followee_id, created_at, version FROM follows
    WHERE (follower_id, followee_id) > ($1, $2) ORDER BY follower_id, followee_id LIMIT $3"""

# Twice as many as wanted get their names looked up, since some may be on their way out.
SUGGEST = f"""
    WITH friends AS MATERIALIZED (
        SELECT followee_id AS user_id FROM follows WHERE follower_id = $1
        ORDER BY version DESC LIMIT {FRIENDS}),
    theirs AS MATERIALIZED (
        SELECT f.followee_id AS user_id, count(*) AS followed_by, max(f.version) AS latest
        FROM friends, LATERAL (
            SELECT followee_id, version FROM follows WHERE follower_id = friends.user_id
            ORDER BY version DESC LIMIT {FRIENDS_OF_EACH}) AS f
        GROUP BY f.followee_id),
    best AS MATERIALIZED (
        SELECT user_id, followed_by, latest FROM theirs AS t
        WHERE user_id <> $1
          AND NOT EXISTS (SELECT FROM follows WHERE follower_id = $1 AND followee_id = t.user_id)
          AND NOT EXISTS (SELECT FROM blocks WHERE blocker_id = $1 AND blocked_id = t.user_id)
          AND NOT EXISTS (SELECT FROM blocks WHERE blocker_id = t.user_id AND blocked_id = $1)
        ORDER BY followed_by DESC, latest DESC LIMIT 2 * $2)
    SELECT user_id, username, followed_by
    FROM (SELECT user_id, {_NAME}, followed_by, latest FROM best AS edge) AS named WHERE username IS NOT NULL
    ORDER BY followed_by DESC, latest DESC LIMIT $2"""  # noqa: S608 - constants


class ListStore:
    """Who is in whose lists; with a page comes where the next one begins, a version or an edge, or None."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def following(self, user_id: int, before: int, limit: int) -> tuple[list[ListedPerson], int | None]:
        """Whom somebody follows, the newest first, older than version `before`."""
        return await self._listed(FOLLOWING, user_id, before, limit)

    async def followers(self, user_id: int, before: int, limit: int) -> tuple[list[ListedPerson], int | None]:
        return await self._listed(FOLLOWERS, user_id, before, limit)

    async def blocks(self, user_id: int, before: int, limit: int) -> tuple[list[ListedPerson], int | None]:
        return await self._listed(BLOCKS, user_id, before, limit)

    async def suggestions(self, user_id: int, limit: int) -> list[Suggestion]:
        """Whom those follow whom somebody follows, by how many of them do; neither known nor blocked."""
        return list(starmap(Suggestion, await self._database.fetch(SUGGEST, user_id, limit)))

    async def follower_ids(self, user_id: int, after: int, limit: int) -> tuple[list[int], int | None]:
        """Everybody who follows somebody, the oldest first, newer than version `after`."""
        return await self._ids(FOLLOWER_IDS, user_id, after, limit)

    async def following_ids(self, user_id: int, after: int, limit: int) -> tuple[list[int], int | None]:
        return await self._ids(FOLLOWING_IDS, user_id, after, limit)

    async def edges(self, after: EdgePlace, limit: int) -> tuple[list[Edge], EdgePlace | None]:
        """Every edge there is, in the order of ids."""
        rows = await self._database.fetch(EDGES, after.follower_id, after.followee_id, limit + 1)
        edges = list(starmap(Edge, rows[:limit]))
        if len(rows) <= limit:
            return edges, None
        return edges, EdgePlace(edges[-1].follower_id, edges[-1].followee_id)

    async def _listed(
        self, sql: str, user_id: int, before: int, limit: int
    ) -> tuple[list[ListedPerson], int | None]:
        rows = await self._database.fetch(sql, user_id, before, limit + 1)
        listed = [
            ListedPerson(row["user_id"], row["username"], row["created_at"])
            for row in rows[:limit]
            if row["username"] is not None
        ]
        return listed, _end(rows, limit)

    async def _ids(self, sql: str, user_id: int, after: int, limit: int) -> tuple[list[int], int | None]:
        rows = await self._database.fetch(sql, user_id, after, limit + 1)
        return [row["user_id"] for row in rows[:limit]], _end(rows, limit)


def _end(rows: Sequence[Record], limit: int) -> int | None:
    return rows[limit - 1]["version"] if len(rows) > limit else None

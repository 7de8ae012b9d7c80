"""The statement of a search: one owner's links, ranked within windows, never longer than a bound.

By relevance, the newest 1,000 matches are ranked, then the 1,000 before them, and so on: a page costs the
same whether a hundred or a hundred thousand links match, and paging still reaches each of them. The last page
of a window may be short.
"""

from __future__ import annotations

import datetime as dt
import hashlib

import asyncpg

from services.kit.db import Database, Record
from services.kit.errors import Unprocessable
from services.links import sizes
from services.links.domain import Link
from services.links.search import sql
from services.links.search.highlight import Highlighter
from services.links.search.results import MAX_SCORE, Hit, Place, Position, SearchOrder
from services.links.search.tree import Node, Text, wanted, written
from services.links.store import COLUMNS, WIDTH

# The kit ends a request after 10 s; a search must leave its connection to others well before that.
STATEMENT_TIMEOUT_MS = 2_000
# How many matches are ranked at once: 1,000 cost 2 to 4 ms.
WINDOW = 1_000
# Weights of address, tags, note, title (D, C, B, A): what one wrote to find a link by counts most.
RANK = "'{0.1, 0.2, 0.6, 1.0}'"
# ts_rank's 1: divided by the logarithm of the length, or a long note beats a title.
RANK_NORMALISATION = 1
# A plan for the very words: a general one cannot know whether an argument is a rare word or a common one.
BOUND = """
    SELECT set_config('statement_timeout', $1::text, true),
           set_config('plan_cache_mode', 'force_custom_plan', true)"""

NEWEST = """
    SELECT {columns} FROM links WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT {limit}"""

RELEVANCE = """
    WITH candidates AS MATERIALIZED (
        SELECT id, created_at, search FROM links WHERE {condition}
        ORDER BY created_at DESC, id DESC LIMIT {window}),
    ranked AS (
        SELECT id, created_at,
               least({unit}, {unit} * ts_rank({weights}, search, {rank}, {normalisation}))::int AS score,
               count(*) OVER () AS matches,
               first_value(created_at) OVER w AS newest_at, first_value(id) OVER w AS newest_id,
               last_value(created_at) OVER w AS oldest_at, last_value(id) OVER w AS oldest_id
        FROM candidates
        WINDOW w AS (ORDER BY created_at DESC, id DESC
                     ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
    page AS (
        SELECT * FROM ranked WHERE {behind} ORDER BY score DESC, created_at DESC, id DESC LIMIT {limit})
    SELECT {columns}, page.score, page.matches, page.newest_at, page.newest_id, page.oldest_at, page.oldest_id
    FROM page JOIN links AS l ON l.owner_id = $1 AND l.id = page.id
    ORDER BY page.score DESC, page.created_at DESC, page.id DESC"""

QUALIFIED = ", ".join(f"l.{name}" for name in COLUMNS.split(", "))


class SearchTooSlow(Unprocessable):
    """The search was given up after its time; the same query will hardly do better."""

    title = "Search took too long"


class SearchStore:
    """Searches the links of one owner at a time."""

    def __init__(self, database: Database, *, timeout_ms: int = STATEMENT_TIMEOUT_MS) -> None:
        self._database = database
        self._timeout_ms = timeout_ms

    async def page(
        self,
        owner_id: int,
        node: Node,
        order: SearchOrder,
        after: Position | None,
        limit: int,
        now: dt.datetime,
    ) -> tuple[list[Hit], Position | None]:
        """At most `limit` links, as many as an answer holds, and where the next page begins after.

        Raises SearchTooSlow.
        """
        statement = sql.compiled(node, owner_id, now, is_ranked=order == "relevance")
        by_relevance = statement.rank is not None
        text = _relevance(statement, after, limit) if by_relevance else _newest(statement, after, limit)
        try:
            async with self._database.transaction(readonly=True) as connection:
                await connection.execute(BOUND, str(self._timeout_ms))
                rows, links, more = await sizes.read(self._database, text, statement.arguments, limit, _link)
        except asyncpg.QueryCanceledError as error:
            raise SearchTooSlow(
                f"given up after {self._timeout_ms / 1000:g} s; add a word, a tag or a date to narrow it"
            ) from error
        marks = Highlighter(node)
        hits = []
        for row, link in zip(rows, links, strict=True):
            score = row["score"] / MAX_SCORE if by_relevance else None
            hits.append(Hit(link, score, marks.highlights(link)))
        end = _end_of_window if by_relevance else _end_of_list
        return hits, end(rows, after, more, order, digest(node))


def _link(row: Record) -> Link:
    return Link(*row[:WIDTH])


def default_order(node: Node) -> SearchOrder:
    """By relevance where the query looks for words that a link may be ranked by."""
    return "relevance" if any(isinstance(leaf, Text) for leaf in wanted(node)) else "newest"


def digest(node: Node) -> str:
    """A short name for a query, by which a cursor knows its own."""
    return hashlib.sha256(written(node).encode()).hexdigest()[:12]


def _newest(statement: sql.Compiled, after: Position | None, limit: int) -> str:
    condition = statement.condition
    if after is not None:
        condition += f" AND (created_at, id) < {_place(after.last, statement)}"
    return NEWEST.format(columns=COLUMNS, condition=condition, limit=limit + 1)


def _relevance(statement: sql.Compiled, after: Position | None, limit: int) -> str:
    condition, behind, window = statement.condition, "true", WINDOW
    if after is not None and (after.score is None or after.newest is None):
        condition += f" AND (created_at, id) < {_place(after.last, statement)}"
    elif after is not None and after.newest is not None:
        condition += f" AND (created_at, id) <= {_place(after.newest, statement)}"
        if after.oldest is not None:
            condition += f" AND (created_at, id) >= {_place(after.oldest, statement)}"
            # Links saved meanwhile with a time inside the window must not push its oldest ones out.
            window += WINDOW
        statement.arguments.append(after.score)
        score = f"${len(statement.arguments)}::int"
        last = _place(after.last, statement)
        behind = f"score <= {score} AND (score < {score} OR (created_at, id) < {last})"
    return RELEVANCE.format(
        columns=QUALIFIED,
        condition=condition,
        window=window,
        unit=MAX_SCORE,
        weights=RANK,
        rank=statement.rank,
        normalisation=RANK_NORMALISATION,
        behind=behind,
        limit=limit + 1,
    )


def _place(place: Place, statement: sql.Compiled) -> str:
    statement.arguments.extend((place.time, place.id))
    count = len(statement.arguments)
    return f"(${count - 1}::timestamptz, ${count}::bigint)"


def _end_of_list(
    rows: list[Record], _: Position | None, more: bool, order: SearchOrder, name: str
) -> Position | None:
    if not more:
        return None
    last = rows[-1]
    return Position(order, name, Place(last["created_at"], last["id"]))


def _end_of_window(
    rows: list[Record], after: Position | None, more: bool, order: SearchOrder, name: str
) -> Position | None:
    inside = after if after is not None and after.newest is not None else None
    if inside is not None:
        newest, oldest = inside.newest, inside.oldest
    elif rows:
        newest = Place(rows[0]["newest_at"], rows[0]["newest_id"])
        is_full = rows[0]["matches"] == WINDOW
        oldest = Place(rows[0]["oldest_at"], rows[0]["oldest_id"]) if is_full else None
    else:
        return None
    if more:
        last = rows[-1]
        return Position(order, name, Place(last["created_at"], last["id"]), last["score"], newest, oldest)
    return None if oldest is None else Position(order, name, oldest)

"""A large collection beside another one: searches use the index, and none takes longer than its bound."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from delinkcious.stores.postgres import Postgres
from services.kit.db import Database, open_pool
from services.kit.migrate import migrate
from services.kit.settings import Secret, ServiceSettings
from services.links.search import sql
from services.links.search.language import MAX_TERMS, parse
from services.links.search.store import STATEMENT_TIMEOUT_MS, SearchStore, SearchTooSlow, default_order

pytestmark = pytest.mark.anyio

OWNER, NEIGHBOUR = 7, 70
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
# What a search may take beyond the database's bound: a busy machine, reading and marking a page.
SLACK_S = 3.0

# As a bulk load does it: counts and indexes are not the subject here.
PREPARE = "ALTER TABLE links DISABLE TRIGGER USER; DROP INDEX links_search_idx, links_tags_idx"
# Every tenth link is the neighbour's. Words: two in every link, one in a thousandth, one in a single link.
FILL = """
    INSERT INTO links (owner_id, url, host, title, tags, private, to_read, created_at)
    SELECT CASE WHEN n % 10 = 0 THEN {neighbour} ELSE {owner} END,
           'https://www.site' || n % 997 || '.example/' || md5(n::text),
           'www.site' || n % 997 || '.example',
           'common word ' || md5((n * 3)::text) || CASE WHEN n % 1000 = 1 THEN ' rare' ELSE '' END,
           ARRAY['all', 'tag' || n % 100], n % 2 = 0, n % 500 = 1,
           timestamptz '2015-01-01' + n * interval '10 minutes'
    FROM generate_series(1, {count}) AS n"""
FINISH = "CREATE INDEX links_search_idx ON links USING gin (search) WITH (fastupdate = off); ANALYZE links"

INITIALS = "abcdefghijklmnopqrstuvwxyz0123456789"
MANY_INITIALS = [f"{initial}*" for initial in (INITIALS + INITIALS)[:MAX_TERMS]]
MANY_PARTS = [f"url:zz{number}" for number in range(MAX_TERMS)]
HOSTILE = [
    "*", "-*", "-tag:all", "-tag:tag7", "-common", "-absent", "tag:*", "-tag:*", "tag:t*", "a*", "-a*", "c*",
    "common", "common or a*", "site:example", "url:e", "url:absent", '"word common"', '"common wor"*',
    "note:c*", "-title:c* -note:c*", "-(common rare) is:dead or tag:absent -c*", "absent or url:absent",
    "before:2014",
    " ".join(MANY_INITIALS), " or ".join(MANY_INITIALS),
    " ".join(f"-{term}" for term in MANY_INITIALS), " or ".join(f"-{term}" for term in MANY_INITIALS),
    " or ".join(MANY_PARTS), " ".join(f"-{part}" for part in MANY_PARTS),
    " or ".join(f'"word common {number}"' for number in range(MAX_TERMS)),
]  # fmt: skip


@dataclass(frozen=True)
class Collection:
    database: Database
    store: SearchStore

    async def search(self, query: str) -> int:
        """How many links the first page holds."""
        node = parse(query)
        hits, _ = await self.store.page(OWNER, node, default_order(node), None, 20, NOW)
        return len(hits)

    async def plan(self, query: str) -> str:
        """How PostgreSQL would find the matches, as JSON."""
        statement = sql.compiled(parse(query), OWNER, NOW, is_ranked=False)
        explain = f"EXPLAIN (FORMAT JSON) SELECT id FROM links WHERE {statement.condition}"  # noqa: S608 - what is tested
        return str(await self.database.fetchval(explain, *statement.arguments))


async def fill(url: str, count: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(PREPARE)
    await connection.execute(FILL.format(owner=OWNER, neighbour=NEIGHBOUR, count=count))
    await connection.execute(FINISH)
    await connection.close()


@pytest.fixture(
    scope="module",
    params=[pytest.param(30_000, id="30,000"), pytest.param(222_222, id="222,222", marks=pytest.mark.slow)],
)
def large_database(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    """A database with that many links, nine tenths of them of one owner; filled once, only read."""

    async def create() -> str:
        url = await postgres.ensure_database(f"large_{request.param}", secrets.token_hex(8))
        await migrate(url, "services.links")
        await fill(url, request.param)
        return url

    return asyncio.run(create())


@pytest.fixture
async def collection(large_database: str) -> AsyncIterator[Collection]:
    async with open_pool(ServiceSettings(database_url=Secret(large_database))) as database:
        yield Collection(database, SearchStore(database))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("rare", "links_search_idx"),
        ("rare common", "links_search_idx"),
        ("rar*", "links_search_idx"),
        ('"common rare"', "links_search_idx"),
        ("title:rare", "links_search_idx"),
        ("rare or absent", "links_search_idx"),
        ("rare -common is:private", "links_search_idx"),
        ("tag:tag7 site:site5.example", "links_search_idx"),
        ("site:site5.example", "links_search_idx"),
        ("is:untagged", "links_search_idx"),
        ("is:dead", "links_dead_idx"),
        ("is:unread", "links_to_read_idx"),
        ("on:2015-02-01", "links_owner_created_idx"),
    ],
)
async def test_what_narrows_is_read_from_an_index(collection: Collection, query: str, index: str) -> None:
    plan = await collection.plan(query)
    assert index in re.findall(r'"Index Name": "(\w+)"', plan), plan
    assert "Seq Scan" not in plan


async def test_what_narrows_is_answered(collection: Collection) -> None:
    narrow = ("rare", "rare or absent", "common rare", '"word common"', "tag:tag7", "site:site5.example", "*")
    for query in narrow:
        assert (await collection.search(query) > 0) == (query != '"word common"'), query


@pytest.mark.parametrize("query", HOSTILE)
async def test_no_query_takes_longer_than_its_bound(collection: Collection, query: str) -> None:
    began = time.monotonic()
    try:
        await collection.search(query)
    except SearchTooSlow:
        assert time.monotonic() - began >= STATEMENT_TIMEOUT_MS / 1000
    assert time.monotonic() - began < STATEMENT_TIMEOUT_MS / 1000 + SLACK_S


async def test_a_search_that_takes_too_long_is_given_up_and_leaves_its_connection_sound(
    collection: Collection,
) -> None:
    impatient = SearchStore(collection.database, timeout_ms=5)
    node = parse(" or ".join(MANY_PARTS))
    async with collection.database.connection() as connection:
        before = await connection.fetchval("SHOW statement_timeout")
    for _ in range(20):
        with pytest.raises(SearchTooSlow, match=r"given up after 0\.005 s; add a word"):
            await impatient.page(OWNER, node, "newest", None, 20, NOW)
    async with collection.database.connection() as connection:
        assert await connection.fetchval("SHOW statement_timeout") == before
        assert await connection.fetchval("SHOW plan_cache_mode") == "auto"


async def test_what_others_have_costs_nothing(collection: Collection) -> None:
    statement = sql.compiled(parse("c* common site:example"), NEIGHBOUR + 1, NOW, is_ranked=False)
    # Without the owner's column, which other indexes begin with: the keys alone must keep owners apart.
    keys_only = statement.condition.removeprefix("owner_id = $1 AND ")
    explain = f"EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM links WHERE {keys_only}"  # noqa: S608 - what is tested
    plan = "\n".join(row[0] for row in await collection.database.fetch(explain, *statement.arguments))
    execution = plan.partition("Planning")[0]
    assert "Bitmap Index Scan on links_search_idx" in execution
    assert max(int(count) for count in re.findall(r"shared hit=(\d+)", execution)) < 50

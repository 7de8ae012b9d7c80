"""What PostgreSQL finds for a tree is what the tree means, over random trees and links."""

from __future__ import annotations

import datetime as dt
from itertools import product

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.links.domain import Link
from services.links.search import sql, values
from services.links.search.tree import (
    STATES,
    And,
    Everything,
    Is,
    Node,
    Not,
    Or,
    Part,
    Saved,
    Site,
    Tag,
    Text,
    UrlPart,
    all_of,
    any_of,
    negated,
)
from services.links.search.words import words

pytestmark = pytest.mark.anyio

OWNER, NEIGHBOUR = 4, 42
NOW = dt.datetime(2024, 3, 15, 10, 30, tzinfo=dt.UTC)
TITLES = ("", "ab a", "Äb c++", "a b a b", "日本")
URLS = ("http://a.example/ab", "https://www.b.a.example/A%20b?c", "http://example/")
TAGS: tuple[list[str], ...] = ([], ["a"], ["a", "a-b"], ["'b\\", "c++"])


def hosts_of(url: str) -> str:
    return url.split("/")[2]


def matches(node: Node, link: Link) -> bool:
    """The meaning of a tree, said plainly."""
    match node:
        case And(parts):
            return all(matches(part, link) for part in parts)
        case Or(parts):
            return any(matches(part, link) for part in parts)
        case Not(part):
            return not matches(part, link)
        case Text("🎉"):
            return False
        case Text(text, is_prefix, field):
            fields = {"title": [link.title], "note": [link.note]}
            anywhere = [link.title, link.note, link.url, *link.tags]
            return any(has_phrase(one, text, is_prefix) for one in fields.get(field, anywhere))
        case Tag(name, is_prefix):
            return any(tag == name or (is_prefix and tag.startswith(name)) for tag in link.tags)
        case Site(host):
            return f".{hosts_of(link.url)}".endswith(f".{host}")
        case UrlPart(text):
            return text.lower() in link.url.lower()
        case Part(text):
            return any(text.lower() in one.lower() for one in (link.title, link.note, link.notes, link.url))
        case Saved():
            start, end = values.times(node, NOW)
            return (start is None or start <= link.created_at) and (end is None or link.created_at < end)
        case Is(state):
            return {
                "unread": link.to_read,
                "read": not link.to_read,
                "private": link.private,
                "public": not link.private,
                "archived": link.archived,
                "dead": link.health == "dead",
                "alive": link.health == "alive",
                "untagged": not link.tags,
            }[state]
        case Everything():
            return True


def has_phrase(text: str, phrase: str, is_prefix: bool) -> bool:
    found = [word.text for word in words(text)]
    *whole, last = [word.text for word in words(phrase)]
    return any(
        found[at : at + len(whole)] == whole and (end.startswith(last) if is_prefix else end == last)
        for at, end in enumerate(found[len(whole) :])
    )


TEXTS = st.sampled_from(("a", "ab", "Ä", "a b", "b a", "c++", "c", "日", "本", "example", "http://a.example"))
TREES: st.SearchStrategy[Node] = st.recursive(
    st.one_of(
        st.builds(Text, TEXTS, st.booleans(), st.sampled_from(("", "title", "note"))),
        st.builds(Tag, st.sampled_from(("a", "a-b", "c++", "'b\\", "x")), st.booleans()),
        st.just(Tag("", True)),
        st.builds(Site, st.sampled_from(("a.example", "b.a.example", "example", "ple"))),
        st.builds(UrlPart, st.sampled_from(("A", "%", "_", "/a", "ample/"))),
        st.builds(Part, st.sampled_from(("A", "%", "_", "/a", "ample/"))),
        st.builds(
            Saved,
            st.sampled_from(("before", "after", "on")),
            st.sampled_from(("2024", "2024-03", "2024-03-15")),
        ),
        st.builds(Saved, st.sampled_from(("before", "after")), st.just("3d")),
        st.builds(Is, st.sampled_from(STATES)),
        st.just(Everything()),
    ),
    lambda parts: st.one_of(
        parts.map(negated),
        st.lists(parts, min_size=1, max_size=3).map(all_of),
        st.lists(parts, min_size=1, max_size=3).map(any_of),
    ),
    max_leaves=6,
)


def shelf(owner_id: int) -> list[Link]:
    """Links that differ in all that a query can ask for."""
    moments = [NOW - dt.timedelta(days=days) for days in (0, 1, 2.99, 3, 3.01, 14, 15, 75, 400)]
    return [
        Link(
            id=number + owner_id * 1_000,
            owner_id=owner_id,
            url=f"{url}#{number}",
            title=title,
            note=TITLES[(number * 7) % len(TITLES)],
            tags=tags,
            private=number % 2 == 0,
            to_read=number % 3 == 0,
            health=("unknown", "alive", "dead")[number % 3 - 1],
            health_reason="",
            suggested_url=None,
            checked_at=None,
            created_at=moments[number % len(moments)],
            updated_at=NOW,
            version=1,
        )
        for number, (title, url, tags) in enumerate(product(TITLES, URLS, TAGS))
    ]


async def fill(connection: asyncpg.Connection[asyncpg.Record], links: list[Link]) -> None:
    await connection.executemany(
        "INSERT INTO links (id, owner_id, url, host, title, note, tags, private, to_read, health, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        [
            (link.id, link.owner_id, link.url, hosts_of(link.url), link.title, link.note, link.tags,
             link.private, link.to_read, link.health, link.created_at)
            for link in links
        ],
    )  # fmt: skip


@pytest.fixture
async def connection(database_url: str) -> asyncpg.Connection[asyncpg.Record]:
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(database_url)
    await fill(connection, shelf(OWNER))
    await fill(connection, shelf(NEIGHBOUR))
    return connection


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
async def test_a_tree_finds_what_it_means(connection: asyncpg.Connection[asyncpg.Record], tree: Node) -> None:
    statement = sql.compiled(tree, OWNER, NOW, is_ranked=False)
    rows = await connection.fetch(
        f"SELECT id FROM links WHERE {statement.condition}",  # noqa: S608 - what is tested
        *statement.arguments,
    )
    assert {row["id"] for row in rows} == {link.id for link in shelf(OWNER) if matches(tree, link)}

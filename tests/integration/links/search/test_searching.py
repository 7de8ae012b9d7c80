"""Searching through the service: what finds what, in which order, and how faults are told."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.kit import page
from services.links.search.results import Position
from tests.integration.links.conftest import AsUser, Execute

SEARCH = "/api/v1/links/search"

pytestmark = pytest.mark.anyio


async def save(client: httpx.AsyncClient, url: str, **fields: Any) -> int:
    answer = await client.post("/api/v1/links", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    link_id: int = answer.json()["id"]
    return link_id


async def found(client: httpx.AsyncClient, query: str, **parameters: Any) -> list[str]:
    """The titles of what is found, in order."""
    answer = await client.get(SEARCH, params={"q": query, **parameters})
    assert answer.status_code == 200, answer.text
    return [hit["link"]["title"] for hit in answer.json()["items"]]


@pytest.fixture
async def shelf(as_user: AsUser, execute: Execute) -> httpx.AsyncClient:
    """A few links of user 1 and, next to them, the same words of user 2."""
    client = as_user(1)
    await save(client, "https://www.python.org/doc/", title="Python docs", tags=["python", "web"])
    await save(
        client,
        "https://kochen.example/rezepte%20alt/#top",
        title="Küche und Straße",
        tags=["cooking"],
        to_read=True,
        created_at="2023-12-31T23:59:59Z",
    )
    await save(
        client,
        "https://isocpp.example.org/a_b",
        title="Modern C++",
        tags=["c++", "old"],
        note="Snakes: a python is one",
        created_at="2024-02-29T12:00:00Z",
    )
    await save(client, "http://127.0.0.1:8080/x", title="東京の本屋", private=True)
    await execute("UPDATE links SET health = 'dead' WHERE title = 'Modern C++'")
    other = as_user(2)
    await save(other, "https://www.python.org/secret", title="Python of another", tags=["python", "web"])
    return client


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("python", {"Python docs", "Modern C++"}),
        ("PYTHON docs", {"Python docs"}),
        ("python -snakes", {"Python docs"}),
        ("kuche", {"Küche und Straße"}),
        ("Küche", {"Küche und Straße"}),
        ("strasse", {"Küche und Straße"}),
        ("c++", {"Modern C++"}),
        ("c", set()),
        ("tag:c++", {"Modern C++"}),
        ('"und straße"', {"Küche und Straße"}),
        ('"straße und"', set()),
        ('"docs python"', set()),
        ("pyth*", {"Python docs", "Modern C++"}),
        ('"python do"*', {"Python docs"}),
        ("title:python", {"Python docs"}),
        ("note:python", {"Modern C++"}),
        ("note:sna*", {"Modern C++"}),
        ("東京", {"東京の本屋"}),
        ("京都", set()),
        ("本*", {"東京の本屋"}),
        ("https://www.python.org/doc/", {"Python docs"}),
        ("python.org", {"Python docs"}),
        ("rezepte alt", {"Küche und Straße"}),
        ("tag:web", {"Python docs"}),
        ("tag:we*", {"Python docs"}),
        ("tag:we", set()),
        ("tag:*", {"Python docs", "Küche und Straße", "Modern C++"}),
        ("is:untagged", {"東京の本屋"}),
        ("-tag:*", {"東京の本屋"}),
        ("site:python.org", {"Python docs"}),
        ("site:www.python.org", {"Python docs"}),
        ("site:ython.org", set()),
        ("site:org", {"Python docs", "Modern C++"}),
        ("site:127.0.0.1", {"東京の本屋"}),
        ("url:ORG/D", {"Python docs"}),
        ("url:a_b", {"Modern C++"}),
        ("url:%", {"Küche und Straße"}),
        ("before:2024", {"Küche und Straße"}),
        ("on:2024-02-29", {"Modern C++"}),
        ("on:2024-02", {"Modern C++"}),
        ("after:2024", {"Python docs", "東京の本屋"}),
        ("after:1d", {"Python docs", "東京の本屋"}),
        ("is:unread", {"Küche und Straße"}),
        ("is:read is:public", {"Python docs", "Modern C++"}),
        ("is:private", {"東京の本屋"}),
        ("is:dead", {"Modern C++"}),
        ("is:alive", set()),
        ("is:dead or is:private", {"Modern C++", "東京の本屋"}),
        ("-(is:dead or is:private) -kuche", {"Python docs"}),
        ("* -python", {"Küche und Straße", "東京の本屋"}),
        ("secret", set()),
        ("\U00010428" * 1_000, set()),
        ("\U00010428" * 900 + "*", set()),
        ('"\u00bd"', set()),
        ("zzz' or ' zzz -- \\", set()),
    ],
)
async def test_a_query_finds(shelf: httpx.AsyncClient, query: str, titles: set[str]) -> None:
    result = await found(shelf, query)
    assert len(result) == len(set(result))
    assert set(result) == titles


async def test_nobody_finds_the_links_of_others(shelf: httpx.AsyncClient, as_user: AsUser) -> None:
    assert await found(as_user(2), "* or python or -python") == ["Python of another"]
    assert await found(as_user(3), "*") == []


async def test_a_link_is_found_as_it_now_is(shelf: httpx.AsyncClient) -> None:
    link_id = await save(shelf, "https://example.org/", title="first", tags=["one"])
    await shelf.patch(f"/api/v1/links/{link_id}", json={"title": "second", "tags": ["two"]})
    assert await found(shelf, "first or tag:one") == []
    assert await found(shelf, "second tag:two") == ["second"]


async def test_titles_count_more_than_tags_than_addresses_than_notes_and_newer_breaks_ties(
    as_user: AsUser,
) -> None:
    client = as_user(1)
    await save(client, "https://a.example/", title="in a note", note="rust")
    await save(client, "https://rust.example/", title="in the address")
    await save(client, "https://c.example/", title="old rust", created_at="2020-01-01T00:00:00Z")
    await save(client, "https://d.example/", title="new rust", created_at="2021-01-01T00:00:00Z")
    await save(client, "https://e.example/", title="tagged", tags=["rust"])
    order = await found(client, "rust")
    assert order[:3] == ["new rust", "old rust", "tagged"]
    assert set(order[3:]) == {"in a note", "in the address"}
    assert (await found(client, "rust", order="newest"))[-1] == "old rust"


async def test_highlights_and_scores(shelf: httpx.AsyncClient) -> None:
    hits = (await shelf.get(SEARCH, params={"q": "python -cpp tag:web"})).json()["items"]
    assert hits[0]["highlights"] == {
        "title": [[0, 6]],
        "url": [[12, 18]],
        "note": [],
        "tags": ["python", "web"],
    }
    assert 0 < hits[0]["score"] <= 1
    by_time = (await shelf.get(SEARCH, params={"q": "tag:web"})).json()["items"]
    assert by_time[0]["score"] is None


async def test_a_malformed_query_is_told_with_its_place(shelf: httpx.AsyncClient) -> None:
    answer = await shelf.get(SEARCH, params={"q": "é tag:web colour:red"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"].endswith("/malformed-search")
    assert (problem["position"], problem["length"]) == (10, 7)
    assert "unknown field colour:" in problem["detail"]


@pytest.mark.parametrize(
    "parameters", [{}, {"q": "a", "limit": "101"}, {"q": "a", "order": "oldest"}, {"q": "a", "owner": "2"}]
)
async def test_other_parameters_are_refused(shelf: httpx.AsyncClient, parameters: dict[str, str]) -> None:
    assert (await shelf.get(SEARCH, params=parameters)).status_code == 400


async def test_a_cursor_leads_on_in_its_own_search_only(shelf: httpx.AsyncClient) -> None:
    first = (await shelf.get(SEARCH, params={"q": "python", "limit": "1"})).json()
    assert first["next"] is not None
    second = await shelf.get(SEARCH, params={"q": "python", "limit": "1", "cursor": first["next"]})
    assert second.json()["next"] is None
    for other in ({"q": "docs"}, {"q": "python", "order": "newest"}):
        answer = await shelf.get(SEARCH, params={**other, "cursor": first["next"]})
        assert answer.status_code == 400, answer.text


async def test_a_forged_cursor_is_a_bad_request(shelf: httpx.AsyncClient) -> None:
    first = (await shelf.get(SEARCH, params={"q": "python", "limit": "1"})).json()
    position = page.decode(Position, first["next"])
    for forged in (
        Position(position.order, position.digest, position.last, 2**40, position.newest),
        Position(position.order, "x", position.last),
    ):
        answer = await shelf.get(SEARCH, params={"q": "python", "cursor": page.encode(forged)})
        assert answer.status_code == 400, answer.text


async def test_reading_needs_a_token_with_its_scope(as_user: AsUser) -> None:
    answer = await as_user(1, "write").get(SEARCH, params={"q": "a"})
    assert answer.status_code == 403

"""Paging through a search: nothing twice, nothing lost, whatever comes and goes meanwhile."""

from __future__ import annotations

import datetime as dt

import httpx
import pytest

from services.links.search import store
from tests.integration.links.conftest import AsUser, Execute

SEARCH = "/api/v1/links/search"

pytestmark = pytest.mark.anyio

# Two words of different weight, so that ranks differ, and times that do not follow the ids.
ADD = """
    INSERT INTO links (owner_id, url, host, title, note, created_at)
    SELECT 1, 'http://example.org/' || n, 'example.org',
           CASE WHEN n % 3 = 0 THEN 'apple pie' ELSE 'pear' END,
           CASE WHEN n % 2 = 0 THEN 'apple' ELSE 'an apple' END,
           timestamptz '2024-01-01' + (n * 7919 % {count}) / 2 * interval '1 minute'
    FROM generate_series(1, {count}) AS n"""

ADD_FOUR = """
    INSERT INTO links (owner_id, url, host, title, created_at)
    SELECT 1, 'http://new/{round}/' || n, 'new', 'apple', '{when}' FROM generate_series(1, 4) AS n"""

DELETE = "DELETE FROM links WHERE id IN ({first}, {last})"


async def pages(client: httpx.AsyncClient, query: str, **parameters: str) -> list[list[dict[str, object]]]:
    """All pages of a search, as links."""
    read, cursor = [], None
    while True:
        sent = {"q": query, "limit": "40", **parameters, **({"cursor": cursor} if cursor else {})}
        answer = await client.get(SEARCH, params=sent)
        assert answer.status_code == 200, answer.text
        read.append([hit["link"] for hit in answer.json()["items"]])
        cursor = answer.json()["next"]
        if cursor is None:
            return read


@pytest.mark.parametrize("order", ["relevance", "newest"])
@pytest.mark.parametrize("window", [1_000, 90, 40])
async def test_pages_show_every_match_once(
    as_user: AsUser, execute: Execute, order: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WINDOW", window)
    await execute(ADD.format(count=230))
    ids = [link["id"] for page in await pages(as_user(1), "apple", order=order) for link in page]
    assert len(ids) == len(set(ids)) == 230


async def test_newest_first_is_by_time_then_id(as_user: AsUser, execute: Execute) -> None:
    await execute(ADD.format(count=100))
    links = [link for page in await pages(as_user(1), "apple", order="newest") for link in page]
    keys = [(str(link["created_at"]), str(link["id"]).zfill(9)) for link in links]
    assert keys == sorted(keys, reverse=True)


async def test_within_a_window_the_best_come_first(
    as_user: AsUser, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WINDOW", 60)
    await execute(ADD.format(count=120))
    read = await pages(as_user(1), "apple")
    assert [len(page) for page in read] == [40, 20, 40, 20, 0]
    windows = [read[0] + read[1], read[2] + read[3]]
    for links in windows:
        titles = [str(link["title"]) for link in links]
        assert titles == sorted(titles)
    assert min(str(link["created_at"]) for link in windows[0]) >= max(
        str(link["created_at"]) for link in windows[1]
    )


@pytest.mark.parametrize("order", ["relevance", "newest"])
async def test_what_is_saved_and_deleted_meanwhile_moves_nothing(
    as_user: AsUser, execute: Execute, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WINDOW", 60)
    await execute(ADD.format(count=150))
    client = as_user(1)
    seen: list[int] = []
    cursor, round_ = None, 0
    while True:
        sent = {"q": "apple", "limit": "20", "order": order, **({"cursor": cursor} if cursor else {})}
        answer = (await client.get(SEARCH, params=sent)).json()
        seen += [hit["link"]["id"] for hit in answer["items"]]
        cursor, round_ = answer["next"], round_ + 1
        if cursor is None:
            break
        when = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=round_ * 5, seconds=30)
        await execute(ADD_FOUR.format(round=round_, when=when.isoformat()))
        await execute(DELETE.format(first=seen[0], last=seen[-1]))
    original = [link_id for link_id in seen if link_id <= 150]
    assert len(seen) == len(set(seen))
    assert sorted(original) == list(range(1, 151))

"""Lists: filters, orders, and pages that neither repeat nor hide a link while others come and go."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import httpx
import pytest

from services.kit import page
from services.links.paging import Position
from tests.integration.links.conftest import AsUser, Execute

pytestmark = pytest.mark.anyio

URL = "/api/v1/links"
ORDERS = ["newest", "oldest", "updated", "title"]


async def titles(client: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    return [link["title"] for link in answer.json()["items"]]


async def save_samples(client: httpx.AsyncClient) -> None:
    samples: list[dict[str, Any]] = [
        {"title": "b", "tags": ["x", "y"], "created_at": "2020-01-01T00:00:00Z"},
        {"title": "C", "tags": ["x"], "created_at": "2021-01-01T00:00:00Z", "private": True},
        {"title": "a", "created_at": "2022-01-01T00:00:00Z", "to_read": True},
        {"title": "É", "tags": ["y"], "created_at": "2019-01-01T00:00:00Z"},
    ]
    for number, sample in enumerate(samples):
        await client.post(URL, json={"url": f"https://example.org/{number}", **sample})


async def test_dates_at_the_ends_of_the_calendar_are_times_like_others(as_user: AsUser) -> None:
    anna = as_user(1)
    dates = ["0001-01-01T00:00:00.000001Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.999998Z"]
    for date in dates:
        await anna.post(URL, json={"url": f"https://example.org/{date}", "created_at": date})
    seen, query = [], {"order": "oldest", "limit": "1"}
    for _ in dates:
        answer = (await anna.get(URL, params=query)).json()
        seen += [link["created_at"] for link in answer["items"]]
        query["cursor"] = answer["next"]
    assert (seen, answer["next"]) == (dates, None)
    assert (await anna.get("/api/v1/exports")).status_code == 200
    for date in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        refused = await anna.post(URL, json={"url": "https://example.org/", "created_at": date})
        assert refused.status_code == 422


@pytest.mark.parametrize(
    ("order", "expected"),
    [("newest", "aCbÉ"), ("oldest", "ÉbCa"), ("updated", "ÉaCb"), ("title", "abCÉ")],
)
async def test_a_list_has_an_order(as_user: AsUser, order: str, expected: str) -> None:
    anna = as_user(1)
    await save_samples(anna)
    assert "".join(await titles(anna, order=order)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "aCbÉ"),
        ({"tag": "X"}, "Cb"),
        ({"tag": ["x", "y"]}, "b"),
        ({"tag": "none"}, ""),
        ({"private": "true"}, "C"),
        ({"private": "false"}, "abÉ"),
        ({"to_read": "true"}, "a"),
        ({"to_read": "false"}, "CbÉ"),
        ({"url": "HTTPS://EXAMPLE.org/2"}, "a"),
        ({"since": "2020-01-01T00:00:00Z", "until": "2022-01-01T00:00:00Z"}, "Cb"),
        ({"health": "dead"}, ""),
        ({"private": "false", "tag": "y", "order": "oldest"}, "Éb"),
    ],
)
async def test_filters_hold_together(as_user: AsUser, query: dict[str, Any], expected: str) -> None:
    anna = as_user(1)
    await save_samples(anna)
    assert "".join(await titles(anna, **query)) == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 0}, 400),
        ({"limit": 1_001}, 400),
        ({"order": "random"}, 400),
        ({"colour": "red"}, 400),
        ({"cursor": "nonsense"}, 400),
        ({"to_read": "maybe"}, 400),
        ({"owner": 0}, 400),
        ({"tag": ","}, 422),
        ({"url": "nowhere"}, 422),
        ({"since": "0001-01-01T00:00:00+12:00"}, 422),
    ],
)
async def test_a_list_that_makes_no_sense_is_refused(
    as_user: AsUser, query: dict[str, Any], status: int
) -> None:
    answer = await as_user(1).get(URL, params=query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "position",
    [
        Position("oldest", 1, dt.datetime(2020, 1, 1, tzinfo=dt.UTC), None),
        Position("newest", 1, None, "title"),
        Position("newest", 1, dt.datetime(2020, 1, 1), None),  # noqa: DTZ001 - without a zone on purpose
        Position("title", 1, None, "a\0b"),
        Position("newest", 2**63, dt.datetime(2020, 1, 1, tzinfo=dt.UTC), None),
    ],
)
async def test_a_made_up_cursor_is_refused(as_user: AsUser, position: Position) -> None:
    answer = await as_user(1).get(
        URL, params={"cursor": page.encode(position), "order": position.order.replace("oldest", "newest")}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(3))
async def test_paging_shows_every_lasting_link_once_while_others_come_and_go(
    as_user: AsUser, execute: Execute, order: str, seed: int
) -> None:
    anna = as_user(1)
    choose = random.Random(seed)  # noqa: S311 - a repeatable choice, nothing secret
    # Few different moments and titles, so that the id has to decide.
    await execute(
        "INSERT INTO links (owner_id, url, host, title, created_at, updated_at)"
        " SELECT 1, 'https://example.org/' || n, 'example.org', 'title ' || n % 5,"
        "        timestamptz '2020-01-01' + n % 7 * interval '1 day',"
        "        timestamptz '2021-01-01' + n % 3 * interval '1 day' FROM generate_series(1, 60) AS n"
    )
    there = {link["id"] for link in (await anna.get(URL, params={"limit": 1000})).json()["items"]}
    lasting, seen, number = set(there), [], 0
    cursor: dict[str, str] = {}
    while True:
        answer = (
            await anna.get(URL, params={"limit": choose.randint(1, 9), "order": order, **cursor})
        ).json()
        seen += [link["id"] for link in answer["items"]]
        if answer["next"] is None:
            break
        cursor = {"cursor": answer["next"]}
        for _ in range(choose.randint(0, 3)):
            number += 1
            moment = dt.datetime(2020, 1, choose.randint(1, 9), tzinfo=dt.UTC).isoformat()
            body = {
                "url": f"https://new.example/{number}",
                "title": f"title {number % 6}",
                "created_at": moment,
            }
            await anna.post(URL, json=body)
        # Also the last one shown, to which the cursor points.
        for link_id in {choose.choice(sorted(lasting)), *([seen[-1]] if choose.random() < 0.5 else [])}:
            await anna.delete(f"{URL}/{link_id}")
            lasting.discard(link_id)
    assert len(seen) == len(set(seen))
    assert lasting <= set(seen)


async def test_others_see_the_public_links_of_an_owner_and_no_more(as_user: AsUser) -> None:
    anna, bert = as_user(1), as_user(2)
    await save_samples(anna)
    shown = (await bert.get(URL, params={"owner": 1})).json()["items"]
    assert [link["title"] for link in shown] == ["a", "b", "É"]
    assert not any(link["private"] or link["to_read"] for link in shown)
    assert await titles(bert, owner=1, private="false") == ["a", "b", "É"]
    assert await titles(anna, owner=1) == ["a", "C", "b", "É"]
    assert await titles(bert) == []


@pytest.mark.parametrize("query", [{"private": "true"}, {"to_read": "true"}, {"to_read": "false"}])
async def test_others_cannot_ask_for_what_only_an_owner_may_know(
    as_user: AsUser, query: dict[str, str]
) -> None:
    assert (await as_user(2).get(URL, params={"owner": 1, **query})).status_code == 400


async def test_others_page_through_public_links_without_a_gap(as_user: AsUser) -> None:
    anna, bert = as_user(1), as_user(2)
    for number in range(12):
        await anna.post(URL, json={"url": f"https://example.org/{number}", "private": number % 2 == 0})
    seen: list[str] = []
    query: dict[str, Any] = {"owner": 1, "limit": 2}
    while True:
        answer = (await bert.get(URL, params=query)).json()
        seen += [link["url"] for link in answer["items"]]
        if answer["next"] is None:
            break
        query["cursor"] = answer["next"]
    assert seen == [f"https://example.org/{number}" for number in range(11, 0, -2)]


async def test_counts_follow_what_happens(as_user: AsUser) -> None:
    anna = as_user(1)
    empty = (await anna.get(f"{URL}/counts")).json()
    assert (empty["links"], empty["changed_at"], empty["quota"]) == (0, None, 200_000)
    await save_samples(anna)
    counts = (await anna.get(f"{URL}/counts")).json()
    expected = {"links": 4, "public": 3, "private": 1, "to_read": 1, "untagged": 1, "dead": 0, "tags": 2}
    assert {name: counts[name] for name in expected} == expected
    assert counts["changed_at"] is not None
    untagged = (await anna.get(URL, params={"to_read": "true"})).json()["items"][0]
    await anna.patch(f"{URL}/{untagged['id']}", json={"tags": ["z"], "private": True, "to_read": False})
    private = (await anna.get(URL, params={"private": "true", "tag": "x"})).json()["items"][0]
    await anna.delete(f"{URL}/{private['id']}")
    counts = (await anna.get(f"{URL}/counts")).json()
    expected = {"links": 3, "public": 2, "private": 1, "to_read": 0, "untagged": 0, "dead": 0, "tags": 3}
    assert {name: counts[name] for name in expected} == expected


async def test_a_check_of_its_health_is_seen_and_is_no_edit(as_user: AsUser, execute: Execute) -> None:
    anna = as_user(1)
    await save_samples(anna)
    before = (await anna.get(f"{URL}/counts")).json()
    await execute(
        "UPDATE links SET health = 'dead', checked_at = now(), version = version + 1 WHERE title = 'b'"
    )
    assert await titles(anna, health="dead") == ["b"]
    assert (await anna.get(f"{URL}/counts")).json() == before | {"dead": 1}

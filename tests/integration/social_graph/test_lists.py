"""Lists: their order, their pages while edges come and go, and the lists of other services."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.kit import page
from services.social_graph.queries import EdgePlace, Place
from tests.integration.social_graph.conftest import Meet, Query, Somebody, crowd, follow

pytestmark = pytest.mark.anyio


async def walk(somebody: Somebody, path: str, limit: int) -> list[str]:
    names: list[str] = []
    asked: dict[str, Any] = {"limit": limit}
    while True:
        answer = await somebody.get(path, **asked)
        assert len(answer["items"]) <= limit
        names += [item["username"] for item in answer["items"]]
        if answer["next"] is None:
            return names
        asked["cursor"] = answer["next"]


async def test_a_list_has_the_newest_first_and_says_since_when(meet: Meet) -> None:
    ann = await meet("ann")
    for name in ("bob", "eve", "zoe"):
        somebody = await meet(name)
        await ann.put(f"following/{name}")
        await somebody.put("following/ann")
        await ann.put(f"blocks/{(await meet(f'foe-of-{name}')).name}")
    assert await ann.names("following") == await ann.names("followers") == ["zoe", "eve", "bob"]
    assert await ann.names("blocks") == ["foe-of-zoe", "foe-of-eve", "foe-of-bob"]
    [newest, *_] = (await ann.get("following"))["items"]
    assert newest.keys() == {"user_id", "username", "since"}
    await ann.delete("following/bob")
    await ann.put("following/bob")
    assert await ann.names("following") == ["bob", "zoe", "eve"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1_000])
async def test_pages_together_are_the_whole_list(meet: Meet, query: Query, limit: int) -> None:
    ann = await meet("ann")
    fans = await crowd(query, 7)
    await follow(query, [(fan, ann.id) for fan in fans] + [(ann.id, fan) for fan in fans])
    whole = [f"fan-{fan}" for fan in reversed(fans)]
    assert await walk(ann, "followers", limit) == await walk(ann, "following", limit) == whole


async def test_what_changes_between_two_pages_neither_repeats_nor_hides_anybody(
    meet: Meet, query: Query
) -> None:
    ann = await meet("ann")
    fans = await crowd(query, 9)
    await follow(query, [(fan, ann.id) for fan in fans])
    first = await ann.get("followers", limit=4)
    # Of those shown, of those to come, one who comes back, and a new one.
    await query("DELETE FROM follows WHERE follower_id = ANY($1)", [fans[8], fans[6], fans[2], fans[1]])
    [late] = await crowd(query, 1, 2_000)
    await follow(query, [(fans[2], ann.id), (late, ann.id)])
    second = await ann.get("followers", limit=4, cursor=first["next"])
    shown = [item["user_id"] for item in first["items"] + second["items"]]
    assert shown == [fans[8], fans[7], fans[6], fans[5], fans[4], fans[3], fans[0]]
    assert second["next"] is None


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 1_001},
        {"limit": "many"},
        {"cursor": "nonsense"},
        {"cursor": page.encode(Place(-1))},
        {"cursor": page.encode(EdgePlace(1, 2))},
        {"colour": "red"},
    ],
)
@pytest.mark.parametrize("path", ["following", "followers", "blocks"])
async def test_a_list_that_makes_no_sense_is_refused(meet: Meet, path: str, asked: dict[str, Any]) -> None:
    ann = await meet("ann")
    answer = await ann.http.get(path, params=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_a_service_reads_every_follower_though_some_come_meanwhile(
    meet: Meet, query: Query, service: httpx.AsyncClient
) -> None:
    ann = await meet("ann")
    fans = await crowd(query, 5)
    await follow(query, [(fan, ann.id) for fan in fans] + [(ann.id, fan) for fan in fans[:3]])
    first = (await service.get(f"followers/{ann.id}", params={"limit": 3})).json()
    [late] = await crowd(query, 1, 500)
    await follow(query, [(late, ann.id)])
    second = (await service.get(f"followers/{ann.id}", params={"limit": 9, "cursor": first["next"]})).json()
    assert first["items"] + second["items"] == [*fans, late]
    assert second["next"] is None
    assert (await service.get(f"following/{ann.id}")).json() == {"items": fans[:3], "next": None}
    assert (await service.get("followers/77")).json() == {"items": [], "next": None}


async def test_a_service_reads_every_edge_with_its_version(
    meet: Meet, query: Query, service: httpx.AsyncClient
) -> None:
    ann = await meet("ann")
    fans = await crowd(query, 4)
    await follow(query, [(fan, ann.id) for fan in reversed(fans)] + [(ann.id, fan) for fan in fans])
    edges: list[dict[str, Any]] = []
    asked: dict[str, Any] = {"limit": 3}
    while asked.get("cursor", "") is not None:
        answer = (await service.get("edges", params=asked)).json()
        edges, asked["cursor"] = edges + answer["items"], answer["next"]
    rows = await query("SELECT follower_id, followee_id, version FROM follows ORDER BY 1, 2")
    assert [(e["follower_id"], e["followee_id"], e["version"]) for e in edges] == list(map(tuple, rows))
    assert all(edge.keys() == {"follower_id", "followee_id", "at", "version"} for edge in edges)


@pytest.mark.parametrize("path", ["followers/1", "following/1", "edges"])
async def test_a_user_is_no_service(meet: Meet, service: httpx.AsyncClient, path: str) -> None:
    ann = await meet("ann")
    for headers in ({}, {"x-service-token": "guessed"}, {"x-service-token": ""}):
        answer = await ann.http.get(f"http://social-graph/internal/v1/{path}", headers=headers)
        assert answer.status_code == 401
    assert (await service.get(path, params={"limit": 10_001})).status_code == 400

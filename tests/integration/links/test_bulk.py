"""Bulk operations: in order, all or none, a report for each link."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.links.conftest import AsUser, Execute

pytestmark = pytest.mark.anyio

LINKS = "/api/v1/links"
BULK = "/api/v1/links/bulk"


async def save(client: httpx.AsyncClient, count: int, **fields: Any) -> list[int]:
    answers = [
        await client.post(LINKS, json={"url": f"https://example.org/{number}", **fields})
        for number in range(count)
    ]
    return [answer.json()["id"] for answer in answers]


async def run(client: httpx.AsyncClient, *operations: dict[str, Any]) -> httpx.Response:
    return await client.post(BULK, json={"operations": list(operations)})


async def links(client: httpx.AsyncClient) -> dict[int, dict[str, Any]]:
    answer = await client.get(LINKS, params={"limit": 1000})
    return {link["id"]: link for link in answer.json()["items"]}


async def test_operations_happen_in_order_and_each_link_is_reported_once(as_user: AsUser) -> None:
    anna = as_user(1)
    one, two, three, four = await save(anna, 4, tags=["a"])
    answer = await run(
        anna,
        {"op": "add_tags", "ids": [one, two], "tags": ["B", "a"]},
        {"op": "remove_tags", "where": {"tags": ["b"]}, "tags": ["a"]},
        {"op": "set", "ids": [two, three], "private": True, "to_read": True},
        {"op": "set", "where": {"private": True, "tags": ["a"]}, "private": False},
        {"op": "add_tags", "ids": [four], "tags": ["a"]},
        {"op": "delete", "ids": [one]},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "changed": 2,
        "unchanged": 1,
        "deleted": 1,
        "links": [
            {"id": one, "outcome": "deleted", "version": None},
            {"id": two, "outcome": "changed", "version": 4},
            {"id": three, "outcome": "changed", "version": 3},
            {"id": four, "outcome": "unchanged", "version": 1},
        ],
    }
    after = await links(anna)
    shown = {link_id: (link["tags"], link["private"], link["to_read"]) for link_id, link in after.items()}
    assert shown == {two: (["b"], True, True), three: (["a"], False, True), four: (["a"], False, False)}
    assert {link_id: link["version"] for link_id, link in after.items()} == {two: 4, three: 3, four: 1}


async def test_writers_of_one_owner_wait_for_each_other_and_never_deadlock(as_user: AsUser) -> None:
    anna = as_user(1)
    ids = await save(anna, 6, tags=["a", "b"])
    rounds = [
        request
        for number in range(4)
        for request in (
            run(anna, *({"op": "set", "ids": [link_id], "private": number % 2 == 0} for link_id in ids)),
            run(
                anna,
                *({"op": "add_tags", "ids": [link_id], "tags": [f"t{number}"]} for link_id in reversed(ids)),
            ),
            anna.patch(f"{LINKS}/{ids[number]}", json={"tags": ["b", "a", f"p{number}"]}),
            anna.post(LINKS, json={"url": f"https://example.org/{number}", "tags": ["a"]}),
            anna.post("/api/v1/tags/merge", json={"tags": ["b"], "into": "a"}),
        )
    ]
    answers = await asyncio.gather(*rounds)
    assert {answer.status_code for answer in answers} <= {200, 404}
    shown = (await anna.get("/api/v1/tags")).json()["items"]
    really: dict[str, int] = {}
    for link in (await links(anna)).values():
        for tag in link["tags"]:
            really[tag] = really.get(tag, 0) + 1
    assert {item["tag"]: item["links"] for item in shown} == really


async def test_one_missing_link_undoes_everything(as_user: AsUser) -> None:
    anna, bert = as_user(1), as_user(2)
    mine = await save(anna, 2)
    [theirs] = await save(bert, 1)
    before = await links(anna)
    answer = await run(
        anna, {"op": "delete", "ids": [mine[0]]}, {"op": "set", "ids": [mine[1], theirs], "private": True}
    )
    assert answer.status_code == 404
    assert (answer.json()["missing"], answer.json()["pointer"]) == ([theirs], "/operations/1/ids")
    assert await links(anna) == before
    assert not (await links(bert))[theirs]["private"]


async def test_a_link_with_too_many_tags_undoes_everything(as_user: AsUser) -> None:
    anna = as_user(1)
    ids = await save(anna, 2, tags=[f"t{number}" for number in range(99)])
    before = await links(anna)
    answer = await run(
        anna,
        {"op": "add_tags", "ids": ids, "tags": ["one"]},
        {"op": "add_tags", "ids": ids, "tags": ["two"]},
    )
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/operations/1/tags")
    assert await links(anna) == before


@pytest.mark.parametrize(
    ("operation", "status", "pointer"),
    [
        ({"op": "delete"}, 422, "/operations/0"),
        ({"op": "delete", "ids": [1], "where": {"private": True}}, 422, "/operations/0"),
        ({"op": "delete", "where": {}}, 422, "/operations/0/where"),
        ({"op": "delete", "where": {"tags": [","]}}, 422, "/operations/0/where"),
        ({"op": "delete", "ids": []}, 400, "/operations/0/ids"),
        ({"op": "delete", "ids": [0]}, 400, "/operations/0/ids/*"),
        ({"op": "delete", "ids": [2**63]}, 400, "/operations/0/ids/*"),
        ({"op": "add_tags", "ids": [1], "tags": []}, 422, "/operations/0/tags"),
        ({"op": "set", "ids": [1]}, 422, "/operations/0"),
        ({"op": "destroy", "ids": [1]}, 400, "/operations/0"),
    ],
)
async def test_an_operation_that_makes_no_sense_is_refused_by_its_place(
    as_user: AsUser, operation: dict[str, Any], status: int, pointer: str
) -> None:
    answer = await run(as_user(1), operation)
    assert answer.status_code == status, answer.text
    assert answer.json()["pointer"].startswith(pointer.removesuffix("/*"))


async def test_no_more_than_500_operations_run_at_once(as_user: AsUser) -> None:
    anna = as_user(1)
    [link_id] = await save(anna, 1)
    operations = [{"op": "set", "ids": [link_id], "private": number % 2 == 0} for number in range(501)]
    assert (await run(anna, *operations)).status_code == 400
    answer = await run(anna, *operations[:500])
    assert answer.json()["links"] == [{"id": link_id, "outcome": "changed", "version": 501}]


async def test_a_selection_beyond_the_bound_is_refused_whole(as_user: AsUser, execute: Execute) -> None:
    anna = as_user(1)
    await execute(
        "INSERT INTO links (owner_id, url, host) SELECT 1, 'https://example.org/' || n, 'example.org'"
        " FROM generate_series(1, 10001) AS n"
    )
    everything = {"since": "2000-01-01T00:00:00Z"}
    assert (await run(anna, {"op": "delete", "where": everything})).status_code == 422
    assert (await anna.get(f"{LINKS}/counts")).json()["links"] == 10_001

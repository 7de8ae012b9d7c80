"""Following and unfollowing: what it changes, what is refused, and what is told of it."""

from __future__ import annotations

import asyncio

import pytest

from services.social_graph.events import FOLLOWED, UNFOLLOWED
from tests.integration.social_graph.conftest import Meet, Query, count, told

pytestmark = pytest.mark.anyio


async def test_following_is_seen_by_both_and_done_once(meet: Meet, query: Query) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    assert [await ann.put("following/bob"), await ann.put("following/BOB")] == [204, 204]
    assert await ann.names("following") == ["bob"]
    assert await bob.names("followers") == ["ann"]
    assert await ann.names("followers") == await bob.names("following") == []
    assert await ann.get("people/bob") == {
        "user_id": bob.id,
        "username": "bob",
        "followers": 1,
        "following": 0,
        "you_follow": True,
        "follows_you": False,
        "blocked": False,
    }
    seen = await bob.get("people/ann")
    assert (seen["you_follow"], seen["follows_you"], seen["following"]) == (False, True, 1)
    assert await count(query, ann.id) == (0, 1)
    assert await count(query, bob.id) == (1, 0)


async def test_unfollowing_is_done_once_too(meet: Meet, query: Query) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    await ann.put("following/bob")
    assert [await ann.delete("following/bob"), await ann.delete("following/bob")] == [204, 204]
    assert await ann.names("following") == await bob.names("followers") == []
    assert await count(query, bob.id) == (0, 0)


async def test_each_change_is_one_event_with_a_greater_version(meet: Meet, query: Query) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    for _ in range(2):
        await ann.put("following/bob")
        await ann.put("following/bob")
        await ann.delete("following/bob")
        await ann.delete("following/bob")
    events = await told(query)
    assert [(key, kind) for key, kind, _ in events] == [(ann.id, FOLLOWED), (ann.id, UNFOLLOWED)] * 2
    versions = [data["version"] for _, _, data in events]
    assert versions == sorted(set(versions))
    assert all(data.keys() == {"follower_id", "followee_id", "at", "version"} for _, _, data in events)
    assert all((data["follower_id"], data["followee_id"]) == (ann.id, bob.id) for _, _, data in events)


async def test_an_event_continues_the_trace_of_the_request(meet: Meet, query: Query) -> None:
    ann, _ = await meet("ann"), await meet("bob")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await ann.http.put("following/bob", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-00"})
    [row] = await query("SELECT traceparent FROM outbox")
    assert trace in row["traceparent"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("path", ["following", "blocks"])
async def test_nobody_follows_or_blocks_themselves(meet: Meet, method: str, path: str) -> None:
    ann = await meet("ann")
    answer = await ann.http.request(method, f"{path}/ann")
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/oneself")


@pytest.mark.parametrize("name", ["nobody", "x", "a%20b", "%F0%9F%A6%A6", "ann%0Abob", "a" * 33, "-" * 5000])
async def test_an_unknown_or_impossible_name_is_not_found(meet: Meet, name: str) -> None:
    ann = await meet("ann")
    for method, path in (("PUT", "following"), ("DELETE", "following"), ("PUT", "blocks"), ("GET", "people")):
        answer = await ann.http.request(method, f"{path}/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("setting", [{"max_following": 2}])
async def test_one_may_follow_so_many_and_not_one_more(meet: Meet, query: Query) -> None:
    ann = await meet("ann")
    others = [await meet(f"other-{number}") for number in range(4)]
    statuses = await asyncio.gather(*(ann.put(f"following/{other.name}") for other in others))
    assert sorted(statuses) == [204, 204, 409, 409]
    assert (await count(query, ann.id))[1] == 2
    [followed, last] = await ann.names("following")
    refused = next(other.name for other in others if other.name not in (followed, last))
    answer = await ann.http.put(f"following/{refused}")
    assert (answer.json()["type"].rsplit("/")[-1], answer.json()["limit"]) == ("quota-exceeded", 2)
    assert await ann.put(f"following/{followed}") == 204
    await ann.delete(f"following/{followed}")
    assert await ann.put(f"following/{refused}") == 204


async def test_a_caller_whose_event_has_not_come_is_known_by_their_token(meet: Meet, query: Query) -> None:
    ann, bob = await meet("ann", known=False), await meet("bob")
    assert await ann.put("following/bob") == 204
    assert await bob.names("followers") == ["ann"]
    eve = await meet("eve", known=False)
    assert (await eve.get("people/eve"))["user_id"] == eve.id
    assert await eve.names("following") == await eve.names("followers") == []


async def test_a_key_sent_again_is_answered_again_and_not_done_again(meet: Meet, query: Query) -> None:
    ann, _ = await meet("ann"), await meet("bob")
    key = {"idempotency-key": "once"}
    assert (await ann.http.put("following/bob", headers=key)).status_code == 204
    await ann.delete("following/bob")
    again = await ann.http.put("following/bob", headers=key)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (204, "true")
    assert await ann.names("following") == []


async def test_a_token_may_do_what_its_scope_says(meet: Meet) -> None:
    await meet("bob")
    reader, writer = await meet("ann", scope="read"), await meet("eve", scope="write")
    for method, path in (("PUT", "following/bob"), ("DELETE", "following/bob"), ("PUT", "blocks/bob")):
        assert (await reader.http.request(method, path)).status_code == 403
    for path in ("following", "followers", "blocks", "suggestions", "people/bob"):
        assert (await writer.http.get(path)).status_code == 403
        anonymous = await reader.http.get(path, headers={"authorization": ""})
        assert anonymous.status_code == 401


@pytest.mark.parametrize("setting", [{"change_burst": 3, "change_every_s": 3600.0}])
async def test_who_changes_too_much_in_a_short_time_waits(meet: Meet, query: Query) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    changes = [ann.put("following/bob"), ann.put("following/bob"), ann.delete("following/bob")]
    assert [await change for change in [*changes, ann.put("blocks/bob")]] == [204] * 4
    refused = await ann.http.delete("blocks/bob")
    assert (refused.status_code, 3500 <= int(refused.headers["retry-after"]) <= 3600) == (429, True)
    # What changes nothing costs nothing, and others are others.
    assert [await ann.put("blocks/bob"), await ann.delete("following/bob")] == [204, 204]
    assert await bob.put("blocks/ann") == 204
    await query("UPDATE people SET settled_at = settled_at - interval '1 hour' WHERE user_id = $1", ann.id)
    assert await ann.delete("blocks/bob") == 204

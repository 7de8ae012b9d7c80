"""Blocking: what it ends, what it forbids, and what it does not give away."""

from __future__ import annotations

import asyncio

import pytest

from services.social_graph.events import BLOCKED, FOLLOWED, UNBLOCKED, UNFOLLOWED
from tests.integration.social_graph.conftest import Meet, Query, count, told

pytestmark = pytest.mark.anyio


async def test_a_block_ends_what_either_follows_of_the_other(meet: Meet, query: Query) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    await ann.put("following/bob")
    await bob.put("following/ann")
    assert [await ann.put("blocks/bob"), await ann.put("blocks/bob")] == [204, 204]
    for person in (ann, bob):
        assert await person.names("following") == await person.names("followers") == []
        assert await count(query, person.id) == (0, 0)
    assert await ann.names("blocks") == ["bob"]
    assert await bob.names("blocks") == []
    events = await told(query)
    assert [(key, kind) for key, kind, _ in events[:2]] == [(ann.id, FOLLOWED), (bob.id, FOLLOWED)]
    assert sorted((key, kind) for key, kind, _ in events[2:4]) == [(ann.id, UNFOLLOWED), (bob.id, UNFOLLOWED)]
    assert [(key, kind) for key, kind, _ in events[4:]] == [(ann.id, BLOCKED)]
    assert events[-1][2].keys() == {"blocker_id", "blocked_id", "at", "version"}


async def test_a_refusal_does_not_say_who_blocks_whom(meet: Meet) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    await ann.put("blocks/bob")
    one, other = await ann.http.put("following/bob"), await bob.http.put("following/ann")
    await ann.delete("blocks/bob")
    await bob.put("blocks/ann")
    answers = [one, other, await ann.http.put("following/bob")]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert len({answer.json()["trace_id"] for answer in answers}) == 3
    told = [{**answer.json(), "trace_id": ""} for answer in answers]
    assert told == [told[0]] * 3


async def test_only_the_blocker_sees_the_block(meet: Meet) -> None:
    ann, bob, eve = await meet("ann"), await meet("bob"), await meet("eve")
    before = await bob.get("people/ann")
    await ann.put("blocks/bob")
    assert (await ann.get("people/bob"))["blocked"] is True
    assert await bob.get("people/ann") == before
    assert (await eve.get("people/bob"))["blocked"] is False


async def test_unblocking_allows_following_and_brings_nothing_back(meet: Meet, query: Query) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    await bob.put("following/ann")
    await ann.put("blocks/bob")
    assert [await ann.delete("blocks/bob"), await ann.delete("blocks/bob")] == [204, 204]
    assert await ann.names("followers") == []
    assert [kind for _, kind, _ in await told(query)][-1] == UNBLOCKED
    assert await bob.put("following/ann") == 204


async def test_two_who_block_each_other_need_both_to_relent(meet: Meet) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    await ann.put("blocks/bob")
    assert await bob.put("blocks/ann") == 204
    await ann.delete("blocks/bob")
    assert await ann.put("following/bob") == 403
    await bob.delete("blocks/ann")
    assert await ann.put("following/bob") == 204


@pytest.mark.parametrize("setting", [{"max_blocks": 1}])
async def test_one_may_block_so_many_and_not_one_more(meet: Meet) -> None:
    ann, _, _ = await meet("ann"), await meet("bob"), await meet("eve")
    assert await ann.put("blocks/bob") == 204
    answer = await ann.http.put("blocks/eve")
    assert (answer.status_code, answer.json()["limit"]) == (409, 1)
    assert await ann.put("blocks/bob") == 204
    await ann.delete("blocks/bob")
    assert await ann.put("blocks/eve") == 204


async def test_whatever_comes_first_no_edge_stays_beside_a_block(meet: Meet, query: Query) -> None:
    people = [await meet(f"person-{number}") for number in range(6)]
    for round_ in range(5):
        work = []
        for one in people:
            for other in people:
                if one is not other:
                    work.append(one.put(f"following/{other.name}"))
                    if (one.id + other.id + round_) % 4 == 0:
                        work.append(one.put(f"blocks/{other.name}"))
                    if (one.id + other.id + round_) % 5 == 0:
                        work += [one.delete(f"blocks/{other.name}"), one.delete(f"following/{other.name}")]
        statuses = await asyncio.gather(*work)
        assert set(statuses) <= {204, 403}
        beside = await query(
            """SELECT FROM follows JOIN blocks ON (follower_id, followee_id) IN
               ((blocker_id, blocked_id), (blocked_id, blocker_id))"""
        )
        assert beside == []
    for person in people:
        await count(query, person.id)
    await assert_events_tell_the_edges(query)


async def assert_events_tell_the_edges(query: Query) -> None:
    """The latest event of each edge says whether it is there; versions grow from event to event of a user."""
    edges: dict[tuple[int, int], bool] = {}
    latest: dict[int, int] = {}
    for key, kind, data in await told(query):
        if kind in (FOLLOWED, UNFOLLOWED):
            edge = (data["follower_id"], data["followee_id"])
            assert edges.get(edge, False) is (kind == UNFOLLOWED)
            edges[edge] = kind == FOLLOWED
        assert data["version"] > latest.get(key, 0)
        latest[key] = data["version"]
    rows = await query("SELECT follower_id, followee_id FROM follows")
    assert {edge for edge, there in edges.items() if there} == {tuple(row) for row in rows}

"""Who is known, and who is gone: with all that was theirs, whatever comes late."""

from __future__ import annotations

import asyncio

import pytest

from services.kit.errors import Unavailable
from services.social_graph import people_store
from services.social_graph.people_store import PeopleStore
from tests.integration.social_graph.conftest import Meet, Query, count, crowd, follow, told

pytestmark = pytest.mark.anyio


async def test_an_account_is_made_known_once(people: PeopleStore, query: Query) -> None:
    assert [await people.introduce(7, "ann"), await people.introduce(7, "ann")] == [True, True]
    assert [tuple(row) for row in await query("SELECT user_id, username FROM people")] == [(7, "ann")]


async def test_an_account_may_be_made_known_by_many_at_once(people: PeopleStore, query: Query) -> None:
    for user_id in range(1, 101):
        assert all(await asyncio.gather(*(people.introduce(user_id, f"ann-{user_id}") for _ in range(8))))
    assert len(await query("SELECT FROM people")) == 100


async def test_who_is_gone_is_gone_with_every_edge(meet: Meet, query: Query, people: PeopleStore) -> None:
    ann, bob, eve = await meet("ann"), await meet("bob"), await meet("eve")
    await ann.put("following/bob")
    await bob.put("following/ann")
    await bob.put("following/eve")
    await bob.put("blocks/ann")
    await eve.put("following/bob")
    await eve.put("following/ann")
    await people.remove(bob.id)
    assert await eve.names("followers") == await ann.names("blocks") == []
    assert await eve.names("following") == ["ann"]
    assert await count(query, eve.id) == (0, 1)
    assert await count(query, ann.id) == (1, 0)
    for method, path in (("GET", "people"), ("PUT", "following"), ("PUT", "blocks"), ("DELETE", "following")):
        assert (await ann.http.request(method, f"{path}/bob")).status_code == 404
    assert await query("SELECT FROM follows WHERE $1 IN (follower_id, followee_id)", bob.id) == []
    assert await query("SELECT FROM blocks WHERE $1 IN (blocker_id, blocked_id)", bob.id) == []
    events = [
        (kind.split(".")[2], data.get("follower_id", data.get("blocker_id")))
        for _, kind, data in await told(query)
    ]
    assert sorted(events[-3:]) == [("unblocked", bob.id), ("unfollowed", bob.id), ("unfollowed", eve.id)]


async def test_nothing_that_comes_late_revives_who_is_gone(
    meet: Meet, query: Query, people: PeopleStore
) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    await people.remove(bob.id)
    await people.remove(bob.id)
    assert not await people.introduce(bob.id, "bob")
    # Their access token is still good for some minutes.
    for path in ("following/ann", "blocks/ann"):
        assert await bob.put(path) == 401
    assert await bob.names("following") == []
    assert (await bob.http.get("people/bob")).status_code == 404
    [row] = await query(
        "SELECT username, followers, following, blocking FROM people WHERE user_id = $1", bob.id
    )
    assert tuple(row) == (None, 0, 0, 0)
    assert await ann.put("following/bob") == 404


async def test_what_they_sent_with_a_key_is_forgotten(meet: Meet, query: Query, people: PeopleStore) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    for one, other in ((ann, bob), (bob, ann)):
        await one.http.put(f"following/{other.name}", headers={"idempotency-key": "a key"})
    await people.remove(bob.id)
    assert [row["scope"] for row in await query("SELECT scope FROM idempotency_keys")] == [f"user {ann.id}"]


async def test_a_name_goes_to_the_newest_account_in_whatever_order_events_come(
    meet: Meet, query: Query, people: PeopleStore
) -> None:
    ann = await meet("ann", id=10)
    await people.introduce(20, "bob")
    await ann.put("following/bob")
    # The deletion of 20 is still on its way.
    await people.introduce(30, "bob")
    assert (await ann.get("people/bob"))["user_id"] == 30
    assert await ann.names("following") == []
    await people.remove(20)
    assert await count(query, ann.id) == (0, 0)
    # As are both events of 15.
    assert not await people.introduce(15, "bob")
    await people.remove(15)
    assert (await ann.get("people/bob"))["user_id"] == 30


async def test_a_removal_that_was_interrupted_goes_on(
    meet: Meet, query: Query, people: PeopleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    star, ann = await meet("star"), await meet("ann")
    fans = await crowd(query, 25)
    await follow(
        query, [(fan, star.id) for fan in fans] + [(star.id, fan) for fan in fans] + [(fans[0], ann.id)]
    )
    monkeypatch.setattr(people_store, "BATCH", 4)
    removed = 0
    remove_some = PeopleStore._remove_some

    async def interrupted(self: PeopleStore, user_id: int, some: str, remove: str) -> bool:
        nonlocal removed
        removed += 1
        if removed == 3:
            raise Unavailable("the database is away")
        return await remove_some(self, user_id, some, remove)

    monkeypatch.setattr(PeopleStore, "_remove_some", interrupted)
    with pytest.raises(Unavailable):
        await people.remove(star.id)
    assert (await ann.http.get("people/star")).status_code == 404
    assert len(await query("SELECT FROM follows WHERE $1 IN (follower_id, followee_id)", star.id)) == 42
    monkeypatch.setattr(PeopleStore, "_remove_some", remove_some)
    # Two replicas may be at it, when the first is taken for dead.
    await asyncio.gather(*(people.remove(star.id) for _ in range(3)))
    unfollowed = [data for _, kind, data in await told(query) if kind.endswith("unfollowed.v1")]
    assert len({(data["follower_id"], data["followee_id"]) for data in unfollowed}) == len(unfollowed) == 50
    assert await count(query, ann.id) == (1, 0)


async def test_a_mark_is_forgotten_after_a_while(meet: Meet, query: Query, people: PeopleStore) -> None:
    for user_id in (5, 6, 7):
        await people.remove(user_id)
    await query("UPDATE people SET departed_at = now() - interval '61 days' WHERE user_id < 7")
    await people.remove(8)
    assert [row["user_id"] for row in await query("SELECT user_id FROM people ORDER BY 1")] == [7, 8]


async def test_follows_and_a_removal_at_the_same_time_leave_nothing(
    meet: Meet, query: Query, people: PeopleStore
) -> None:
    star = await meet("star")
    fans = [await meet(f"fan-{number}") for number in range(8)]
    work = [fan.put("following/star") for fan in fans] + [star.put(f"following/{fan.name}") for fan in fans]
    statuses = await asyncio.gather(*work[:12], people.remove(star.id), *work[12:])
    assert set(statuses) <= {204, 401, 404, None}
    await people.remove(star.id)
    assert await query("SELECT FROM follows") == []
    for fan in fans:
        assert await count(query, fan.id) == (0, 0)

"""Suggestions: friends of friends, ranked, without anybody who is known or unwelcome."""

from __future__ import annotations

import pytest

from tests.integration.social_graph.conftest import Meet, Query, crowd, follow

pytestmark = pytest.mark.anyio


async def test_whom_most_friends_follow_comes_first(meet: Meet, query: Query) -> None:
    ann = await meet("ann")
    friends, strangers = await crowd(query, 3), await crowd(query, 4, 2_000)
    await follow(query, [(ann.id, friend) for friend in friends])
    await follow(query, [(friend, strangers[0]) for friend in friends])
    await follow(query, [(friend, strangers[1]) for friend in friends[:2]])
    await follow(query, [(friends[0], strangers[2])])
    assert await ann.get("suggestions") == {
        "items": [
            {"user_id": strangers[place], "username": f"fan-{strangers[place]}", "followed_by": 3 - place}
            for place in range(3)
        ],
        "next": None,
    }
    assert await ann.names("suggestions", limit=1) == [f"fan-{strangers[0]}"]
    for limit in (0, 51):
        assert (await ann.http.get("suggestions", params={"limit": limit})).status_code == 400


async def test_nobody_is_suggested_who_is_known_unwelcome_or_gone(meet: Meet, query: Query) -> None:
    ann, friend = await meet("ann"), await meet("friend")
    others = {name: await meet(name) for name in ("followed", "blocked", "blocker", "gone", "stranger")}
    await ann.put("following/friend")
    await follow(query, [(friend.id, ann.id), *((friend.id, other.id) for other in others.values())])
    await ann.put("following/followed")
    await ann.put("blocks/blocked")
    await others["blocker"].put("blocks/ann")
    await query("UPDATE people SET username = NULL WHERE username = 'gone'")
    assert await ann.names("suggestions") == ["stranger"]
    assert await others["stranger"].names("suggestions") == []

"""What events do to news."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from services.kit.errors import Unavailable
from services.news import domain, events
from services.news.domain import Cursor
from services.news.events import Edge
from tests.integration.news.owners import Owners
from tests.integration.news.world import CAP, HOT, World

pytestmark = pytest.mark.anyio

READER, ANN, BOB = 100, 1, 2


async def test_followers_see_what_is_saved_newest_first(world: World, owners: Owners) -> None:
    await world.tell(owners.follow(READER, ANN), owners.follow(READER, BOB))
    await world.tell(owners.save(ANN), owners.save(BOB), owners.save(ANN))

    assert await world.news(READER) == [3, 2, 1]
    assert await world.news(ANN) == []


async def test_a_new_follower_gets_what_was_saved_before(world: World, owners: Owners) -> None:
    await world.tell(owners.save(ANN), owners.save(ANN), owners.follow(READER, ANN))

    assert await world.news(READER) == [2, 1]


async def test_of_links_with_the_same_time_the_later_id_comes_first(world: World, owners: Owners) -> None:
    await world.tell(owners.follow(READER, ANN), *(owners.save(ANN, minute=5) for _ in range(3)))

    assert await world.news(READER, limit=1) == [3, 2, 1]


@pytest.mark.parametrize("followers", [1, HOT + 1])
async def test_what_ends_is_gone_at_once(world: World, owners: Owners, followers: int) -> None:
    await world.tell(*(owners.follow(READER + n, ANN) for n in range(followers)), owners.follow(READER, BOB))
    await world.tell(*(owners.save(ANN, title="Old") for _ in range(4)), owners.save(BOB))

    await world.tell(owners.remove(1), owners.edit(2, private=True), owners.edit(3, title="New"))
    assert await world.news(READER) == [5, 4, 3]
    titles = [entry.item.title for entry in await world.builder.news.newest(READER, 3)]
    assert titles == ["Link 5", "Old", "New"]

    await world.tell(owners.edit(2, private=False))
    assert await world.news(READER) == [5, 4, 3, 2]
    await world.tell(owners.unfollow(READER, ANN))
    assert await world.news(READER) == [5]
    await world.tell(owners.follow(READER, ANN))
    assert await world.news(READER) == [5, 4, 3, 2]
    await world.tell(owners.delete_user(ANN))
    assert await world.news(READER) == [5]


async def test_events_that_come_late_or_twice_change_nothing(world: World, owners: Owners) -> None:
    followed, saved = owners.follow(READER, ANN), owners.save(ANN, title="secret")
    hidden, gone = owners.edit(1, private=True), owners.remove(1)
    ended = owners.unfollow(READER, ANN)
    kept, again = owners.save(ANN), owners.follow(READER, ANN)

    await world.tell(gone, saved, hidden, saved, kept)
    await world.tell(again, followed, ended, followed, again, kept)

    assert await world.news(READER) == [2]


async def test_private_links_are_never_stored(world: World, owners: Owners) -> None:
    await world.tell(owners.follow(READER, ANN), owners.save(ANN, title="shown-then-hidden"))
    await world.tell(owners.save(ANN, private=True, title="never-shown"))
    assert b"shown-then-hidden" in await world.stored()

    await world.tell(owners.edit(1, private=True))

    assert b"shown-then-hidden" not in await world.stored()
    assert b"never-shown" not in await world.stored()
    assert await world.news(READER) == []


async def test_an_old_event_does_not_bring_back_what_has_become_private_before_redis_was_lost(
    world: World, owners: Owners
) -> None:
    await world.tell(owners.follow(READER, ANN))
    saved = owners.save(ANN, title="secret")
    owners.edit(1, private=True)
    await world.redis.client.flushdb()
    await world.builder.rebuild()

    await world.tell(saved, age=dt.timedelta(minutes=1))
    await world.tell(saved, age=dt.timedelta(days=1))

    assert await world.news(READER) == []
    assert b"secret" not in await world.stored()


async def test_only_the_newest_are_kept_and_older_ones_move_up(world: World, owners: Owners) -> None:
    bound = domain.bound(CAP)
    await world.tell(owners.follow(READER, ANN), *(owners.save(ANN) for _ in range(3 * bound)))
    assert await world.news(READER, limit=2) == list(range(3 * bound, 3 * bound - CAP, -1))

    # More than are kept beyond the cap: the author's list is filled again from its owner.
    await world.tell(*(owners.remove(number) for number in range(3 * bound, bound, -1)))

    assert await world.news(READER, limit=2) == list(range(bound, bound - CAP, -1))


async def test_a_timeline_full_of_void_is_filled_again(world: World, owners: Owners) -> None:
    await world.tell(*(owners.save(BOB) for _ in range(CAP)), owners.follow(READER, BOB))
    await world.tell(owners.follow(READER, ANN), *(owners.save(ANN) for _ in range(2 * CAP)))

    await world.tell(owners.unfollow(READER, ANN))

    assert await world.news(READER, limit=4) == list(range(CAP, 0, -1))


async def test_pages_are_stable_while_links_come(world: World, owners: Owners) -> None:
    await world.tell(owners.follow(READER, ANN), *(owners.save(ANN) for _ in range(5)))
    first, after = await world.builder.news.page(READER, 2)
    await world.tell(owners.save(ANN), owners.save(ANN, minute=3), owners.remove(4))
    second, _ = await world.builder.news.page(READER, 2, after)

    assert [domain.link_of(each.position) for each in first] == [5, 4]
    assert [domain.link_of(each.position) for each in second] == [7, 3]


async def test_nobody_reads_below_the_cap(world: World, owners: Owners) -> None:
    await world.tell(owners.follow(READER, ANN), *(owners.save(ANN) for _ in range(3 * CAP)))
    entries, _ = await world.builder.news.page(READER, CAP)

    assert await world.builder.news.page(READER, 5, Cursor(entries[-1].position, CAP)) == ([], None)
    # A cursor that was made up costs no more than a look.
    forged, _ = await world.builder.news.page(READER, 5, Cursor(entries[-1].position, 0))
    assert len(forged) <= domain.bound(CAP) - CAP


async def test_a_link_dated_in_the_future_stands_where_it_was_saved(world: World, owners: Owners) -> None:
    owners.save(ANN)
    future = owners.edit(1, created_at=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    await world.tell(owners.follow(READER, ANN), future, owners.save(ANN))

    assert await world.news(READER) == [2, 1]


async def test_authors_with_many_followers_are_read_and_merged(world: World, owners: Owners) -> None:
    await world.tell(owners.save(ANN), *(owners.follow(READER + n, ANN) for n in range(HOT)))
    await world.tell(owners.save(ANN), owners.follow(READER, BOB))
    await world.tell(owners.follow(READER + HOT, ANN), owners.save(ANN), owners.save(BOB), owners.save(ANN))

    assert await world.news(READER, limit=1) == [5, 4, 3, 2, 1]
    assert await world.news(READER + HOT) == [5, 3, 2, 1]
    await world.tell(owners.unfollow(READER, ANN))
    assert await world.news(READER) == [4]


async def test_what_happens_at_the_same_time_is_all_seen(world: World, owners: Owners) -> None:
    saves = [owners.save(ANN) for _ in range(CAP)]
    follows = [owners.follow(READER + n, ANN) for n in range(2 * HOT)]

    await asyncio.gather(*(world.tell(save) for save in saves), *(world.tell(follow) for follow in follows))

    for n in range(2 * HOT):
        assert await world.news(READER + n) == list(range(CAP, 0, -1))


async def test_a_deleted_account_leaves_nothing(world: World, owners: Owners) -> None:
    await world.tell(owners.follow(READER, ANN), owners.follow(ANN, BOB), owners.save(ANN, title="hers"))
    late = owners.save(ANN, title="hers, later"), (events.FOLLOWED, Edge(BOB, ANN, 99))

    await world.tell(owners.delete_user(ANN), *late, (events.FOLLOWED, Edge(ANN, BOB, 99)))

    stored = await world.stored()
    assert b"hers" not in stored
    assert b"{1}:timeline" not in stored
    assert b"{1}:following" not in stored
    assert b"{1}:followers" not in stored
    assert await world.news(READER) == []


@pytest.mark.parametrize("status", [401, 500, 503])
async def test_events_wait_while_an_owner_is_away(world: World, owners: Owners, status: int) -> None:
    saved = owners.save(ANN)
    owners.failing = status
    with pytest.raises(Unavailable):
        await world.tell(saved, age=dt.timedelta(seconds=1))
    owners.failing = 0
    await world.tell(owners.follow(READER, ANN))
    await world.tell(saved, age=dt.timedelta(seconds=1))
    assert await world.news(READER) == [1]


async def test_events_and_readers_wait_while_there_are_no_timelines(world: World, owners: Owners) -> None:
    await world.redis.client.flushdb()

    with pytest.raises(Unavailable):
        await world.tell(owners.save(ANN))
    with pytest.raises(Unavailable):
        await world.news(READER)

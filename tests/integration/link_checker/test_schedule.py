"""The schedule on a real database: leases, events, growing intervals, and who is told what."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from contextlib import AsyncExitStack

import msgspec
import pytest

from services.kit.db import Database
from services.link_checker.checking import LEASE
from services.link_checker.domain import Finding, Line, Outcome
from tests.integration.link_checker.checks import ANSWERED, DAY, MISSING, START, URL, World

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_a_new_link_is_checked_at_once_and_its_owner_told(world: World) -> None:
    await world.save(1, 11)
    (event,) = await world.check()
    assert world.clock.now == START
    assert (event.owner_id, event.link_id, event.url) == (1, 11, URL)
    assert (event.health, event.reason, event.checked_at) == ("alive", "", START)
    assert (event.title, event.description) == ("A page", "About it")
    assert world.internet.asked == [(URL, True)]


async def test_only_what_changes_is_told_and_the_interval_grows(world: World) -> None:
    await world.save(1, 11)
    assert await world.check()
    times = [world.clock.now]
    for _ in range(8):
        assert await world.check() == []
        times.append(world.clock.now)
    days = [(after - before) / DAY for before, after in itertools.pairwise(times)]
    assert days == [1, 2, 4, 8, 16, 30, 30, 30]
    assert world.internet.asked[1:] == [(URL, False)] * 8


async def test_a_link_is_dead_after_several_failures_over_days_and_alive_again_at_once(world: World) -> None:
    await world.save(1, 11)
    await world.check()
    world.internet.found[URL] = MISSING
    begin, failures = None, 0
    while not (events := await world.check()):
        begin = begin or world.clock.now
        failures += 1
    assert begin is not None
    assert [(event.health, event.reason) for event in events] == [("dead", "not-found")]
    assert events[0].title is None  # told once
    assert failures >= 3
    assert 3 * DAY <= world.clock.now - begin < 4 * DAY
    world.internet.found[URL] = ANSWERED
    (event,) = await world.check()
    assert event.health == "alive"
    # It changed: it is looked at again soon.
    changed = world.clock.now
    await world.check()
    assert world.clock.now - changed == DAY


async def test_one_check_serves_every_owner_of_an_address(world: World) -> None:
    for owner in (1, 2, 3):
        await world.save(owner, 10 + owner)
    events = await world.check()
    assert [(event.owner_id, event.link_id) for event in events] == [(1, 11), (2, 12), (3, 13)]
    assert len(world.internet.asked) == 1


async def test_who_comes_later_is_told_what_is_known(world: World) -> None:
    await world.save(1, 11)
    await world.check()
    await world.save(2, 22)
    (event,) = await world.told()
    assert (event.owner_id, event.link_id, event.health, event.title) == (2, 22, "alive", "A page")
    assert len(world.internet.asked) == 1


async def test_the_event_that_a_check_causes_causes_no_event(world: World) -> None:
    """Links notes the outcome, which saves the link, which comes back here."""
    await world.save(1, 11)
    await world.check()
    await world.save(1, 11, version=2)
    await world.save(1, 11, version=2)
    assert await world.told() == []


async def test_a_permanent_redirect_is_suggested_once(world: World) -> None:
    moved = Outcome(finding=Finding.ANSWERED, status=200, suggested_url="https://example.net/")
    await world.save(1, 11)
    await world.check()
    world.internet.found[URL] = moved
    (event,) = await world.check()
    assert (event.health, event.suggested_url) == ("alive", "https://example.net/")
    assert await world.check() == []


async def test_a_title_that_comes_later_is_told_when_it_comes(world: World) -> None:
    world.internet.found[URL] = Outcome(finding=Finding.ROBOTS)
    await world.save(1, 11)
    (event,) = await world.check()
    assert (event.health, event.reason, event.title) == ("unknown", "robots", None)
    world.internet.found[URL] = ANSWERED
    (event,) = await world.check()
    assert (event.health, event.title) == ("alive", "A page")


async def test_a_busy_server_changes_nothing_and_gets_its_time(world: World) -> None:
    world.internet.found[URL] = Outcome(finding=Finding.BUSY, status=429, retry_after_s=3 * 86_400.0)
    await world.save(1, 11)
    assert await world.check() == []
    begin = world.clock.now
    await world.check()
    assert world.clock.now - begin == 3 * DAY


async def test_an_edited_address_is_another_one(world: World) -> None:
    await world.save(1, 11)
    await world.check()
    await world.save(1, 11, url="https://example.net/", version=2)
    (event,) = await world.check()
    assert (event.url, event.title) == ("https://example.net/", "A page")
    assert await world.count("urls") == 1  # nobody has the old one any more


async def test_what_is_removed_is_forgotten_whatever_comes_late(world: World) -> None:
    await world.save(1, 11)
    await world.save(2, 22)
    await world.remove(1, 11, version=2)
    await world.save(1, 11, version=1)
    events = await world.check()
    assert [event.owner_id for event in events] == [2]
    await world.remove(2, 22, version=5)
    assert await world.count("urls") == 0
    world.clock.now += 60 * DAY
    assert await world.store.forget(world.clock.now - 31 * DAY, 10) == 2
    assert await world.count("refs") == 0
    assert await world.checking.round(most=10) == []
    assert await world.count("hosts") == 0


async def test_nothing_is_left_of_an_account_that_is_gone(world: World) -> None:
    await world.save(1, 11)
    await world.save(1, 12, url="https://example.net/mine")
    await world.save(2, 22)
    await world.refs.remove_owner(1, world.clock())
    await world.refs.remove_owner(1, world.clock())
    await world.save(1, 13)
    await world.remove(1, 11, version=9)
    rows = await world.database.fetch("SELECT owner_id FROM refs")
    assert [row["owner_id"] for row in rows] == [2]
    assert await world.database.fetchval("SELECT array_agg(url) FROM urls") == [URL]


async def test_an_account_is_deleted_while_its_links_are_checked(world: World) -> None:
    """Neither waits for the other for ever: both lock an address before the links that have it."""
    for number in range(150):
        url = f"https://host{number}.example.org/"
        await world.save(1, number + 1, url=url)
        await world.save(2, number + 1_001, url=url)
    world.clock.now += DAY

    async def check() -> int:
        checked = 0
        while works := await world.checking.round(most=5):
            checked += len(works)
        return checked

    checked, *_ = await asyncio.gather(
        check(),
        world.refs.remove_owner(1, world.clock()),
        *(world.remove(2, number + 1_001, version=2) for number in range(0, 150, 2)),
        *(world.save(2, number + 1_001, url=URL, version=2) for number in range(1, 150, 4)),
    )
    assert checked
    rows = await world.database.fetch("SELECT owner_id, count(url_id) AS n FROM refs GROUP BY 1")
    assert {row["owner_id"]: row["n"] for row in rows} == {2: 75}
    assert (
        await world.database.fetchval(
            "SELECT count(*) FROM urls WHERE NOT EXISTS (SELECT FROM refs WHERE url_id = urls.id)"
        )
        == 0
    )


async def test_replicas_share_the_hosts_and_never_meet_at_one(world: World) -> None:
    for number in range(30):
        await world.save(number, number + 1, url=f"https://host{number % 5}.example.org/{number}")
    works = await asyncio.gather(*(world.store.lease(world.clock(), 3, LEASE) for _ in range(4)))
    hosts = [work.host for batch in works for work in batch]
    assert sorted(hosts) == sorted(set(hosts))
    assert len(hosts) == 5
    assert await world.store.lease(world.clock(), 10, LEASE) == []


async def test_a_replica_that_died_is_made_up_for_and_comes_too_late(world: World) -> None:
    await world.save(1, 11)
    (dead,) = await world.store.lease(world.clock(), 10, LEASE)
    assert await world.store.lease(world.clock(), 10, LEASE) == []
    world.clock.now += LEASE
    (work,) = await world.store.lease(world.clock(), 10, LEASE)
    await world.checking.check(work)
    assert len(await world.told()) == 1
    await world.checking.check(dead)  # it was only slow
    assert await world.told() == []
    assert world.metrics.lost._value.get() == 1


async def test_a_link_that_is_removed_while_it_is_checked_tells_nobody(world: World) -> None:
    await world.save(1, 11)
    (work,) = await world.store.lease(world.clock(), 10, LEASE)
    await world.remove(1, 11, version=2)
    await world.checking.check(work)
    assert await world.told() == []


async def test_one_host_is_not_asked_again_before_its_pause(world: World) -> None:
    await world.save(1, 11, url="https://example.org/a")
    await world.save(1, 12, url="https://example.org/b")
    assert len(await world.checking.round(most=10)) == 1
    assert await world.checking.round(most=10) == []
    world.clock.now += dt.timedelta(seconds=1)
    assert len(await world.checking.round(most=10)) == 1


async def test_a_host_gets_the_pause_that_its_rules_ask_for(world: World) -> None:
    for number in (1, 2):
        url = f"https://example.org/{number}"
        world.internet.found[url] = msgspec.structs.replace(ANSWERED, pause_s=30.0)
        await world.save(1, number, url=url)
    await world.check()
    begin = world.clock.now
    await world.check()
    assert world.clock.now - begin == dt.timedelta(seconds=30)


async def test_a_large_import_does_not_stand_before_a_single_link(world: World) -> None:
    for number in range(100):
        await world.save(1, number + 1, url=f"https://host{number}.example.org/")
    await world.save(2, 500, url="https://single.example.org/")
    world.clock.now += dt.timedelta(milliseconds=1)
    assert {work.host for work in await world.store.lease(world.clock(), 1_000, LEASE)} == {
        "host0.example.org",
        "single.example.org",
    }
    world.clock.now += dt.timedelta(seconds=25)
    assert len(await world.store.lease(world.clock(), 1_000, LEASE)) == 99


async def test_replicas_check_everything_once(world: World) -> None:
    for number in range(60):
        await world.save(number, number + 1, url=f"https://host{number % 20}.example.org/{number}")
    replicas = [world.replica(world.internet) for _ in range(3)]
    async with AsyncExitStack() as stack:
        for replica in replicas:
            replica.pause = dt.timedelta()
            await stack.enter_async_context(replica.running())
        async with asyncio.timeout(60):
            while True:
                if not await world.database.fetchval("SELECT count(*) FROM urls WHERE checked_at IS NULL"):
                    break
                await asyncio.sleep(0.01)
    assert len(world.internet.asked) == len({url for url, _ in world.internet.asked}) == 60
    assert len(await world.told()) == 60
    assert await world.database.fetchval("SELECT count(*) FROM hosts WHERE lease IS NOT NULL") == 0


async def test_our_own_broken_line_kills_no_link(world: World) -> None:
    down = Outcome(finding=Finding.TIMEOUT)
    line = Line(most=5)
    checking = world.replica(world.internet, line)
    urls = [f"https://host{number}.example.org/" for number in range(6)]
    for number, url in enumerate(urls, 1):
        await world.save(number, number, url=url)
        world.internet.found[url] = down
    for _ in range(60):
        await world.pass_until_due()
        await checking.round(most=10)
    assert world.clock.now - START > 5 * DAY
    assert await world.told() == []
    assert await world.database.fetchval("SELECT max(failures) FROM urls") <= 1
    assert await world.database.fetchval("SELECT count(*) FROM urls WHERE health = 'dead'") == 0


async def test_a_fault_of_ours_stops_no_other_check(world: World) -> None:
    class Faulty:
        async def check(self, url: str, *, with_page: bool) -> Outcome:
            raise ValueError(url)

    await world.save(1, 11)
    assert len(await world.replica(Faulty()).round(most=10)) == 1
    assert await world.told() == []
    before = world.clock.now
    await world.check()
    assert world.clock.now > before


async def test_addresses_for_nobody_wait_for_nobody(world: World) -> None:
    for number in range(5):
        url = f"ftp://example.org/{number}"
        world.internet.found[url] = Outcome(finding=Finding.REFUSED)
        await world.save(number, number + 1, url=url)
    for _ in range(5):
        assert len(await world.checking.round(most=10)) == 1
    assert {(event.health, event.reason) for event in await world.told()} == {("unknown", "refused")}


async def test_the_queue_is_measured(world: World) -> None:
    assert await world.store.queue(world.clock()) == (0, 0.0)
    await world.save(1, 11)
    world.clock.now += dt.timedelta(seconds=30)
    assert await world.store.queue(world.clock()) == (1, 30.0)

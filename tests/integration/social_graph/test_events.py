"""On a real broker: events of users come, those of the graph leave, and two replicas do each thing once."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette

from services.kit.events import bus, envelope
from services.kit.events.bus import Bus, open_bus
from services.kit.events.envelope import Event
from services.social_graph.app import create
from services.social_graph.client import FOLLOWED, UNFOLLOWED, Followed, Unfollowed
from services.social_graph.settings import SocialGraphSettings
from services.users.client import USER_DELETED, USER_REGISTERED, UserDeleted, UserRegistered
from tests.conftest import RunningNats
from tests.integration.social_graph.conftest import Meet, Query, count

pytestmark = pytest.mark.anyio

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
WITHIN_S = 60
PEOPLE = range(1, 13)
STAR = 5


@pytest.fixture
async def users(broker: RunningNats) -> AsyncIterator[Bus]:
    """The broker as the users service has it."""
    async with open_bus(broker.url("users"), "users") as made:
        await made.connected()
        yield made


@pytest.fixture
async def replicas(
    settings: SocialGraphSettings, broker: RunningNats, users: Bus
) -> AsyncIterator[list[Starlette]]:
    """Two of the service, on one database."""
    settings = msgspec.structs.replace(settings, nats_url=broker.url("social-graph"))
    async with AsyncExitStack() as stack:
        apps = [create(settings), create(settings)]
        for app in apps:
            await stack.enter_async_context(app.router.lifespan_context(app))
        yield apps


@pytest.fixture
def app(replicas: list[Starlette]) -> Starlette:
    return replicas[0]


async def tell(users: Bus, number: int, kind: str, data: UserRegistered | UserDeleted) -> None:
    """Publish an event of the users service twice, as if the broker had forgotten the first time."""
    event = Event(
        specversion="1.0",
        id=f"00000000-0000-7000-8000-{number:012}",
        source="/delinkcious/users",
        type=kind,
        time=NOW,
        partitionkey=str(data.user_id),
        sequence=str(number),
        data=envelope.data_of(data),
    )
    jetstream = await users.connected()
    for _ in range(2):
        await jetstream.publish(envelope.subject(event), envelope.encode(event))


async def heard(users: Bus) -> list[Event]:
    """Every event on the broker, in order."""
    jetstream = await users.connected()
    state = (await jetstream.stream_info(bus.EVENTS)).state
    messages = [await jetstream.get_msg(bus.EVENTS, number) for number in range(1, state.last_seq + 1)]
    return [envelope.decode(message.data or b"") for message in messages]


async def until(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Wait until `look` finds what is wanted."""
    found = await look()
    try:
        async with asyncio.timeout(WITHIN_S):
            while found != wanted:
                await asyncio.sleep(0.02)
                found = await look()
    except TimeoutError:
        assert found == wanted, "not in time"


async def test_two_replicas_learn_of_everybody_and_let_go_once(
    users: Bus, meet: Meet, query: Query, replicas: list[Starlette]
) -> None:
    for number in PEOPLE:
        await tell(users, number, USER_REGISTERED, UserRegistered(number, f"person-{number}", NOW))

    async def known() -> list[int]:
        rows = await query("SELECT user_id FROM people WHERE username IS NOT NULL ORDER BY 1")
        return [row["user_id"] for row in rows]

    await until(known, list(PEOPLE))
    everybody = [await meet(f"person-{number}", id=number, known=False) for number in PEOPLE]
    others = [one for one in everybody if one.id != STAR]
    statuses = await asyncio.gather(*(one.put(f"following/person-{STAR}") for one in others))
    assert set(statuses) == {204}
    await tell(users, 100, USER_DELETED, UserDeleted(STAR, f"person-{STAR}"))

    async def told() -> Counter[str]:
        assert await query("SELECT FROM follows") is not None
        return Counter(event.type for event in await heard(users))

    wanted = {USER_REGISTERED: 24, USER_DELETED: 2, FOLLOWED: len(others), UNFOLLOWED: len(others)}
    await until(told, wanted)
    await until(known, [number for number in PEOPLE if number != STAR])
    await idle(replicas)
    assert await told() == wanted
    for one in others:
        assert await count(query, one.id) == (0, 0)
    assert_told_in_order(await heard(users))


async def idle(replicas: list[Starlette]) -> None:
    """Wait until both replicas say that no event waits for them."""

    async def pending() -> set[float | None]:
        registries = [app.state.kit.registry for app in replicas]
        consumer = {"consumer": "social-graph"}
        return {registry.get_sample_value("events_pending", consumer) for registry in registries}

    await until(pending, {0.0})


def assert_told_in_order(events: list[Event]) -> None:
    """Every edge was told of once, its end after its beginning and with a greater version."""
    begun: dict[int, Followed] = {}
    for event in events:
        if event.type == FOLLOWED:
            followed = envelope.read(event, Followed)
            assert event.key == followed.follower_id
            begun[followed.follower_id] = followed
        elif event.type == UNFOLLOWED:
            ended = envelope.read(event, Unfollowed)
            before = begun.pop(ended.follower_id)
            assert (ended.follower_id, ended.followee_id) == (before.follower_id, STAR)
            assert (ended.version > before.version, ended.at >= before.at) == (True, True)
    assert begun == {}


async def test_what_cannot_be_read_stops_nobody(users: Bus, query: Query, replicas: list[Starlette]) -> None:
    jetstream = await users.connected()
    await jetstream.publish(f"events.1.{USER_REGISTERED}", b"no event")
    await tell(users, 1, USER_REGISTERED, UserRegistered(9, "ann", NOW))

    async def known() -> list[Any]:
        return [tuple(row) for row in await query("SELECT user_id, username FROM people")]

    await until(known, [(9, "ann")])
    letters = (await jetstream.stream_info(bus.DEAD_LETTERS)).state
    assert letters.messages == 1

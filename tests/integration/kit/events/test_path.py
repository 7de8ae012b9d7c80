"""From the outbox to a consumer's effect: each event once, in order, whatever dies on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from services.kit.errors import Unavailable
from services.kit.events import bus, dead_letters
from services.kit.events.bus import open_bus
from services.kit.events.consumer import once
from services.kit.events.envelope import Event
from tests.integration.kit.events.conftest import NOTED, Events, Noted

pytestmark = pytest.mark.anyio
PATIENCE_S = 60.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes too
            await asyncio.sleep(0.02)


class Seen:
    """A handler that remembers what it was given, by key."""

    def __init__(self) -> None:
        self.by_key: dict[int, list[int]] = {}

    async def handle(self, event: Event, data: Noted) -> None:
        self.by_key.setdefault(event.key, []).append(data.number)

    def count(self) -> int:
        return sum(map(len, self.by_key.values()))


async def test_events_arrive_in_order_per_user_over_several_replicas(events: Events) -> None:
    seen = Seen()
    # An event comes again when its acknowledgement is late: that is no part of this.
    handler = once(events.database, "news", seen.handle)
    numbers = list(range(25))
    for key in (1, 2, 9):
        await events.write(key, *numbers)
    async with (
        events.relay().running(),
        events.consuming(handler),
        events.consuming(handler),
    ):
        await until(lambda: seen.count() >= 75)
        async with asyncio.timeout(PATIENCE_S):
            while await events.waiting():  # noqa: ASYNC110 - the relay takes away what the broker has
                await asyncio.sleep(0.02)
    assert seen.by_key == {1: numbers, 2: numbers, 9: numbers}


async def test_an_event_that_is_published_twice_is_one(events: Events) -> None:
    await events.write(7, 1, 2)
    kept = await events.database.fetch("SELECT * FROM outbox")
    relay = events.relay()
    assert await relay.round() == 2
    columns = "sequence, id, key, type, data, traceparent, created_at"
    for row in kept:  # as if the relay had died before its own commit
        await events.database.execute(
            f"INSERT INTO outbox ({columns}) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7)",  # noqa: S608
            *row,
        )
    assert await relay.round() == 2
    state = (await (await events.jetstream()).stream_info(bus.EVENTS)).state
    assert state.messages == 2


async def test_a_second_relay_stands_by(events: Events) -> None:
    await events.write(7, 1)
    async with events.database.transaction() as connection:
        await connection.fetchval("SELECT pg_advisory_xact_lock($1)", 0x6F757462)
        assert await asyncio.create_task(events.relay().round()) is None
    assert await events.relay().round() == 1


async def test_an_effect_and_its_event_are_one_transaction(events: Events) -> None:
    sql = "INSERT INTO notes (owner_id, text) VALUES ($1, $2)"
    attempts: list[int] = []

    async def note(event: Event, data: Noted) -> None:
        attempts.append(data.number)
        await events.database.execute(sql, event.key, f"note {data.number}")
        if attempts.count(2) == 1 and data.number == 2:
            raise RuntimeError("dies after the effect and before the record")

    handler = once(events.database, "news", note)
    await events.write(3, 1, 2, 3)
    async with events.relay().running(), events.consuming(handler):
        await until(lambda: attempts[-1:] == [3])
    assert attempts == [1, 2, 2, 3]
    texts = await events.database.fetch("SELECT text FROM notes WHERE owner_id = 3 ORDER BY id")
    assert [row["text"] for row in texts] == ["note 1", "note 2", "note 3"]


async def test_what_was_recorded_is_not_done_again(events: Events) -> None:
    done: list[int] = []

    async def note(event: Event, data: Noted) -> None:
        done.append(data.number)

    handler = once(events.database, "news", note)
    await events.write(3, 1)
    row = await events.database.fetchrow("SELECT id FROM outbox")
    assert row is not None
    await events.database.execute("INSERT INTO consumed_events (consumer, id) VALUES ('news', $1)", row["id"])
    await events.write(3, 2)
    async with events.relay().running(), events.consuming(handler):
        await until(lambda: done == [2])


async def test_what_cannot_be_read_or_handled_becomes_a_dead_letter_and_blocks_nobody(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.kit.events.consumer.BACKOFF_S", (0.01, 0.01))
    seen = Seen()
    poisoned = True

    async def handle(event: Event, data: Noted) -> None:
        if data.number == 2 and poisoned:
            raise ValueError("cannot do that")
        await seen.handle(event, data)

    await events.database.execute(
        'INSERT INTO outbox (key, type, data) VALUES (5, $1, \'{"number": "one"}\')', NOTED
    )
    await events.write(5, 2, 3)
    async with events.relay().running(), events.consuming(handle):
        await until(lambda: seen.by_key.get(5) == [3])
        async with open_bus(events.nats.url("operator"), "operator") as operator:
            jetstream = await operator.connected()
            letters = [letter async for letter in dead_letters.letters(jetstream)]
            assert [(letter.consumer, letter.attempts) for letter in letters] == [("news", 1), ("news", 3)]
            assert "number" in letters[0].reason
            assert letters[1].reason == "ValueError"
            assert letters[1].type == NOTED
            poisoned = False
            await dead_letters.replay(jetstream, letters[1].number)
            await until(lambda: seen.by_key.get(5) == [3, 2])
            await dead_letters.drop(jetstream, letters[0].number)
            assert [letter async for letter in dead_letters.letters(jetstream)] == []
            with pytest.raises(dead_letters.NoSuchLetter):
                await dead_letters.replay(jetstream, letters[0].number)


async def test_a_dependency_that_is_away_makes_no_dead_letter(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.kit.events.consumer.BACKOFF_S", (0.01, 0.01))
    seen = Seen()
    attempts = 0

    async def handle(event: Event, data: Noted) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 6:
            raise Unavailable("the database is away")
        await seen.handle(event, data)

    await events.write(5, 1, 2)
    async with events.relay().running(), events.consuming(handle):
        await until(lambda: seen.by_key.get(5) == [1, 2])
    assert attempts == 7


async def test_newer_fields_and_unknown_types_are_tolerated(events: Events) -> None:
    seen = Seen()
    await events.database.execute(
        "INSERT INTO outbox (key, type, data) VALUES (5, 'delinkcious.link.other.v1', '{}'), "
        '(5, $1, \'{"number": 4, "colour": "blue"}\')',
        NOTED,
    )
    async with events.relay().running(), events.consuming(seen.handle):
        await until(lambda: seen.by_key.get(5) == [4])


async def test_relay_and_consumers_survive_a_broker_that_dies(events: Events) -> None:
    seen = Seen()
    numbers = list(range(40))
    async with events.relay().running(), events.consuming(seen.handle):
        await events.write(1, *numbers[:20])
        await until(lambda: seen.count() >= 5)
        await asyncio.to_thread(events.nats.stop)
        await events.write(1, *numbers[20:])
        await asyncio.to_thread(events.nats.start)
        await until(lambda: len(set(seen.by_key[1])) == 40)
    # A handler may see an event again whose acknowledgement was lost; never one in the wrong order.
    assert list(dict.fromkeys(seen.by_key[1])) == numbers


async def test_a_service_may_publish_its_own_events_only(events: Events) -> None:
    jetstream = await events.jetstream()
    with pytest.raises(Exception, match=r"(?i)permission|timeout|no response"):
        await jetstream.publish("events.1.delinkcious.user.deleted.v1", b"{}", timeout=1)
    state = (await jetstream.stream_info(bus.EVENTS)).state
    assert state.messages == 0


async def test_the_path_starts_before_its_broker_does(events: Events) -> None:
    seen = Seen()
    await asyncio.to_thread(events.nats.stop)
    await events.write(1, 1)
    start: Any = partial(asyncio.to_thread, events.nats.start)
    async with events.relay().running(), events.consuming(seen.handle):
        assert await events.waiting() == 1
        await start()
        await until(lambda: seen.by_key.get(1) == [1])


async def test_a_broker_that_hangs_with_its_connections_open_is_away(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    sooner = bus.PATIENCE["ping_interval"] / 50
    monkeypatch.setitem(bus.PATIENCE, "ping_interval", sooner)
    seen = Seen()
    async with open_bus(events.nats.url("links"), "links") as watched, events.consuming(seen.handle):
        await watched.connected()
        events.nats.freeze()
        try:
            await until(lambda: not watched.is_connected)
            await events.write(3, 1)
        finally:
            events.nats.thaw()
        await until(lambda: watched.is_connected)
        async with events.relay().running():
            await until(lambda: seen.count() > 0)
    assert seen.by_key == {3: [1]}

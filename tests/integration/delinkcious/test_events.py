"""`delinkcious events`: dead letters listed, shown, replayed and dropped by their numbers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from services.kit.events import envelope
from services.kit.events.bus import open_bus
from services.kit.events.envelope import Event
from tests.conftest import RunningNats

pytestmark = pytest.mark.anyio
TYPE = "delinkcious.link.saved.v1"


async def delinkcious(nats: RunningNats, *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Exit code and what was printed, by one command as a person calls it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "delinkcious", "events", *arguments, "--nats", nats.url("operator").reveal()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode()


@pytest.fixture
async def letters(broker: RunningNats) -> AsyncIterator[RunningNats]:
    """Three dead letters of the consumer `news`, numbered from 1."""
    async with open_bus(broker.url("news"), "news") as news:
        jetstream = await news.connected()
        for number in range(3):
            event = Event(
                specversion="1.0",
                id=f"0{number}",
                source="/delinkcious/links",
                type=TYPE,
                time="2026-05-01T00:00:00Z",  # type: ignore[arg-type]
                partitionkey="9",
                sequence="1",
                data=envelope.data_of({"number": number}),
            )
            headers = {"Dead-Consumer": "news", "Dead-Reason": "ValueError", "Dead-Attempts": "5"}
            headers["Dead-Subject"] = f"events.1.{TYPE}"
            await jetstream.publish("dead.news", envelope.encode(event), headers=headers)
    yield broker


async def test_dead_letters_are_listed_shown_replayed_and_dropped(letters: RunningNats) -> None:
    code, out = await delinkcious(letters, "dlq", "list", "-o", "json")
    assert code == 0
    assert [(entry["number"], entry["consumer"]) for entry in json.loads(out)] == [
        (1, "news"),
        (2, "news"),
        (3, "news"),
    ]
    code, out = await delinkcious(letters, "dlq", "show", "2")
    assert json.loads(json.loads(out)["event"])["data"] == {"number": 1}

    code, out = await delinkcious(letters, "dlq", "replay", "1")
    assert (code, out.strip()) == (0, f"1: {TYPE} is on its way to news again")
    code, out = await delinkcious(letters, "dlq", "drop", "2", stdin=b"y\n")
    assert code == 0
    assert f"2: {TYPE} for news is dropped" in out
    code, out = await delinkcious(letters, "dlq", "list")
    assert [line.split()[0] for line in out.splitlines()[1:2]] == ["3"]
    code, out = await delinkcious(letters, "status", "-o", "json")
    assert json.loads(out)["streams"] == {
        "EVENTS": {"events": 1, "bytes": json.loads(out)["streams"]["EVENTS"]["bytes"]},
        "DEAD_LETTERS": {"events": 1, "bytes": json.loads(out)["streams"]["DEAD_LETTERS"]["bytes"]},
    }


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("dlq", "show", "77"), 1, "no dead letter has the number 77"),
        (("dlq", "replay"), 2, "name the numbers of some, or --all"),
        (("dlq", "replay", "1", "--all"), 2, "name the numbers of some, or --all"),
        (("dlq", "drop", "77", "--yes"), 1, "no dead letter has the number 77"),
    ],
)
async def test_a_mistake_is_one_sentence(
    letters: RunningNats, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found, out = await delinkcious(letters, *arguments)
    assert found == code
    assert said in out
    assert "Traceback" not in out


async def test_a_broker_that_is_away_is_said(free_port: Callable[[], int]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "delinkcious", "events", "dlq", "list", "--nats", f"nats://x:y@127.0.0.1:{free_port()}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 4
    assert "the broker does not answer" in out.decode()

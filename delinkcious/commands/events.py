"""`delinkcious events`: how the event path is, and what to do about events that were given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
import structlog
from nats.js import JetStreamContext
from rich.table import Table

from delinkcious import local
from delinkcious.asking import UNREACHABLE, Failed, run
from delinkcious.terminal import console, shown
from services.kit.errors import Unavailable
from services.kit.events import bus, dead_letters
from services.kit.events.dead_letters import DeadLetter, NoSuchLetter
from services.kit.settings import InvalidSettings, Secret

T = TypeVar("T")

CONNECTED_WITHIN_S = 5.0

nats_option = click.option(
    "--nats",
    "url",
    metavar="URL",
    envvar="NATS_URL",
    help="nats://user:password@host:4222 of the broker [env: NATS_URL; default: the local mesh that is up]",
)
state_option = click.option(
    "--state", type=click.Path(path_type=Path), help="The local mesh's folder [default: .delinkcious]"
)
output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to print it."
)
numbers_argument = click.argument("numbers", metavar="NUMBER...", nargs=-1, type=click.IntRange(1))
all_option = click.option("--all", "every", is_flag=True, help="All of them.")


@click.group()
def events() -> None:
    """Look after the events between services."""


@events.command()
@output_option
@nats_option
@state_option
def status(output: str, url: str | None, state: Path | None) -> None:
    """Show the streams, and for every consumer how many events wait for it."""

    async def look(jetstream: JetStreamContext) -> dict[str, Any]:
        streams = [await jetstream.stream_info(name) for name in (bus.EVENTS, bus.DEAD_LETTERS)]
        waiting: dict[str, int] = {}
        for info in await jetstream.consumers_info(bus.EVENTS):
            name = info.name.rpartition("-")[0]
            pending = (info.num_pending or 0) + (info.num_ack_pending or 0)
            waiting[name] = waiting.get(name, 0) + pending
        return {
            "streams": {
                info.config.name: {"events": info.state.messages, "bytes": info.state.bytes}
                for info in streams
            },
            "consumers": {name: {"pending": waiting[name]} for name in sorted(waiting)},
        }

    found = _with_broker(url, state, look)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    table = Table("stream", "events", "bytes", box=None, pad_edge=False)
    for name, stream in found["streams"].items():
        table.add_row(name, f"{stream['events']:,}", f"{stream['bytes']:,}")
    consumers = Table("consumer", "events that wait for it", box=None, pad_edge=False)
    for name, consumer in found["consumers"].items():
        consumers.add_row(name, f"{consumer['pending']:,}")
    console().print(table)
    console().print(consumers)


@events.group()
def dlq() -> None:
    """Events that a consumer gave up (the dead-letter queue)."""


@dlq.command("list")
@output_option
@nats_option
@state_option
def list_(output: str, url: str | None, state: Path | None) -> None:
    """List them, oldest first."""

    async def read(jetstream: JetStreamContext) -> list[DeadLetter]:
        return [letter async for letter in dead_letters.letters(jetstream)]

    found = _with_broker(url, state, read)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    if not found:
        click.echo("No event was given up.")
        return
    table = Table("number", "consumer", "type", "since", "reason", box=None, pad_edge=False)
    for letter in found:
        since = "" if letter.dead_at is None else f"{letter.dead_at:%Y-%m-%d %H:%M:%S}"
        kind = letter.type or "(unreadable)"
        table.add_row(str(letter.number), letter.consumer, shown(kind), since, shown(letter.reason))
    console().print(table)
    click.echo(
        "\nshow NUMBER prints one, replay NUMBER gives it to its consumer again, drop NUMBER forgets it."
    )


@dlq.command()
@click.argument("number", type=click.IntRange(1))
@nats_option
@state_option
def show(number: int, url: str | None, state: Path | None) -> None:
    """Print one as JSON, whole."""

    async def read(jetstream: JetStreamContext) -> DeadLetter:
        return await dead_letters.letter(jetstream, number)

    click.echo(msgspec.json.format(msgspec.json.encode(_with_broker(url, state, read))))


@dlq.command()
@numbers_argument
@all_option
@nats_option
@state_option
def replay(numbers: tuple[int, ...], every: bool, url: str | None, state: Path | None) -> None:
    """Give some to their consumers again, once their reason is mended."""
    for letter in _each(numbers, every, url, state, dead_letters.replay):
        click.echo(f"{letter.number}: {letter.type or 'event'} is on its way to {letter.consumer} again")


@dlq.command()
@numbers_argument
@all_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@nats_option
@state_option
def drop(numbers: tuple[int, ...], every: bool, yes: bool, url: str | None, state: Path | None) -> None:
    """Forget some for good: what they told is never done."""
    if not yes:
        click.confirm("What these events told will never be done. Drop them?", abort=True)
    for letter in _each(numbers, every, url, state, dead_letters.drop):
        click.echo(f"{letter.number}: {letter.type or 'event'} for {letter.consumer} is dropped")


def _each(
    numbers: tuple[int, ...],
    every: bool,
    url: str | None,
    state: Path | None,
    act: Callable[[JetStreamContext, int], Awaitable[DeadLetter]],
) -> list[DeadLetter]:
    if bool(numbers) == every:
        raise click.UsageError("name the numbers of some, or --all")

    async def work(jetstream: JetStreamContext) -> list[DeadLetter]:
        chosen = numbers or tuple([letter.number async for letter in dead_letters.letters(jetstream)])
        return [await act(jetstream, number) for number in chosen]

    return _with_broker(url, state, work)


def _with_broker(url: str | None, state: Path | None, work: Callable[[JetStreamContext], Awaitable[T]]) -> T:
    # What a server would log is said here as one sentence.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

    async def go() -> T:
        async with _broker(url, state) as jetstream:
            return await work(jetstream)

    try:
        return run(go())
    except NoSuchLetter as error:
        raise Failed(str(error)) from None
    except (InvalidSettings, LookupError) as error:
        raise Failed(str(error), UNREACHABLE) from None
    except bus.AWAY as error:
        raise Failed(f"the broker does not answer: {error or type(error).__name__}", UNREACHABLE) from None


@asynccontextmanager
async def _broker(url: str | None, state: Path | None) -> AsyncIterator[JetStreamContext]:
    address = Secret(url) if url else local.broker_url(state)
    async with bus.open_bus(address, "delinkcious") as broker:
        try:
            async with asyncio.timeout(CONNECTED_WITHIN_S):
                jetstream = await broker.connected()
        except TimeoutError:
            raise Unavailable("the broker does not answer; is the mesh up? (delinkcious status)") from None
        yield jetstream

"""`delinkcious seed`: fill an installation with example people, links and follows, at COPY's speed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import asyncpg
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from delinkcious import local
from delinkcious.asking import UNREACHABLE, Failed
from delinkcious.seeding import Shape
from services.links.seeding import SeedLink, write_links
from services.social_graph.seeding import write_follows, write_people
from services.users.seeding import write_users

SERVICES = ("users", "links", "social-graph")
PASSWORD = "example-people-read-much"  # noqa: S105 - of example accounts, told to everybody
BATCH = 10_000
# One loads while the other generates.
WRITERS = 2
CONNECT_TIMEOUT_S = 10.0
MAX_USERS, MAX_LINKS = 1_000_000, 100_000_000

Owned = tuple[int, SeedLink]


@click.command()
@click.option("--users", type=click.IntRange(2, MAX_USERS), default=100, show_default=True, help="People.")
@click.option("--links", type=click.IntRange(0, MAX_LINKS), default=10_000, show_default=True, help="Of all.")
@click.option("--seed", "number", default=1, show_default=True, help="Another number, other data.")
@click.option(
    "--database",
    "databases",
    metavar="SERVICE=URL",
    multiple=True,
    help="postgresql:// URL of users, links and social-graph [default: the local mesh that is up]",
)
@click.option(
    "--state", type=click.Path(path_type=Path), help="The local mesh's folder [default: .delinkcious]"
)
def seed(users: int, links: int, number: int, databases: tuple[str, ...], state: Path | None) -> None:
    """Fill an installation with example people, their links and who follows whom.

    The same numbers give the same data. Tags, followers and links per person follow power laws. No events
    are sent: `delinkcious news rebuild` makes the timelines afterwards.
    """
    shape = Shape(users, links, number)
    try:
        asyncio.run(_seed(shape, _urls(databases, state)))
    except LookupError as error:
        raise Failed(str(error), UNREACHABLE) from None
    except (OSError, asyncpg.PostgresError) as error:
        raise Failed(f"the database says: {error}") from None
    click.echo(f"Sign in as {shape.usernames()[0]} with the password {PASSWORD}")
    click.echo("Timelines are made by: delinkcious news rebuild")


def _urls(given: tuple[str, ...], state: Path | None) -> dict[str, str]:
    said = dict(entry.partition("=")[::2] for entry in given)
    if strange := set(said) - set(SERVICES):
        raise click.UsageError(f"--database is for {', '.join(SERVICES)}, not {', '.join(sorted(strange))}")
    return {name: said.get(name) or local.database_url(name, state).reveal() for name in SERVICES}


async def _seed(shape: Shape, urls: Mapping[str, str]) -> None:
    users = await asyncpg.connect(urls["users"], timeout=CONNECT_TIMEOUT_S)
    graph = await asyncpg.connect(urls["social-graph"], timeout=CONNECT_TIMEOUT_S)
    writers = [await asyncpg.connect(urls["links"], timeout=CONNECT_TIMEOUT_S) for _ in range(WRITERS)]
    try:
        names = shape.usernames()
        taken = await users.fetchval("SELECT count(*) FROM users WHERE username = ANY($1::text[])", names)
        if taken:
            raise Failed(f"{taken} of these accounts are there already; choose another --seed")
        with _bar() as bar:
            people = bar.add_task("people", total=len(names))
            ids = await write_users(users, names, PASSWORD, dt.datetime.now(dt.UTC))
            bar.update(people, completed=len(names))
            await _write_links(shape, ids, writers, bar)
            follows = bar.add_task("follows", total=None)
            pairs = [(ids[follower], ids[followee]) for follower, followee in shape.follows()]
            await write_people(graph, zip(ids, names, strict=True))
            await write_follows(graph, pairs, dt.datetime.now(dt.UTC))
            bar.update(follows, total=len(pairs), completed=len(pairs))
    finally:
        for connection in (users, graph, *writers):
            await connection.close()


async def _write_links(
    shape: Shape, ids: list[int], writers: list[asyncpg.Connection], bar: Progress
) -> None:
    task = bar.add_task("links", total=shape.links)
    source = _links(shape, ids)

    async def write(connection: asyncpg.Connection) -> None:
        while batch := list(islice(source, BATCH)):
            await write_links(connection, batch)
            bar.advance(task, len(batch))

    await asyncio.gather(*map(write, writers))


def _links(shape: Shape, ids: list[int]) -> Iterator[Owned]:
    for user, count in enumerate(shape.owners()):
        for link in shape.links_of(user, count):
            yield ids[user], link


def _bar() -> Progress:
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))

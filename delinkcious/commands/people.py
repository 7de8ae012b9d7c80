"""`delinkcious follow`, `unfollow` and `people`: whose links are whose news."""

from __future__ import annotations

import click
import msgspec

from delinkcious.asking import run, server_option
from delinkcious.session import connect
from delinkcious.terminal import shown
from services.social_graph.client import ListedPerson, ListQuery

PAGE = 100

_output = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print it."
)


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@server_option
def follow(names: tuple[str, ...], server: str | None) -> None:
    """Follow people: their public links become your news."""

    async def work() -> None:
        async with connect(server) as there:
            for name in names:
                await there.people.follow(name)
                click.echo(f"You follow {shown(name)}.")

    run(work())


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@server_option
def unfollow(names: tuple[str, ...], server: str | None) -> None:
    """Follow people no longer."""

    async def work() -> None:
        async with connect(server) as there:
            for name in names:
                await there.people.unfollow(name)
                click.echo(f"You do not follow {shown(name)} any more.")

    run(work())


@click.command()
@click.option("--followers", is_flag=True, help="Who follows you, instead of whom you follow.")
@_output
@server_option
def people(followers: bool, output: str, server: str | None) -> None:
    """List whom you follow."""

    async def work() -> list[ListedPerson]:
        found: list[ListedPerson] = []
        query = ListQuery(limit=PAGE)
        async with connect(server) as there:
            read = there.people.followers if followers else there.people.following
            while True:
                page = await read(query)
                found += page.items
                if page.next is None:
                    return found
                query = msgspec.structs.replace(query, cursor=page.next)

    found = run(work())
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    for person in found:
        click.echo(f"{shown(person.username):34}since {person.since:%Y-%m-%d}")
    if not found:
        click.echo(
            "Nobody follows you yet." if followers else "You follow nobody yet: delinkcious follow NAME"
        )

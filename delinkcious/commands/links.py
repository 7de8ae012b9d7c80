"""`delinkcious link add|show|search|edit|rm`: links one by one."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec
from msgspec import UNSET

from delinkcious.asking import output_option, run, server_option
from delinkcious.commands.search import search
from delinkcious.session import Server, connect
from delinkcious.terminal import shown
from services.kit.errors import NotFound
from services.links.domain import Link, LinkChange, NewLink
from services.links.queries import LinkQuery

_tags = click.option("-t", "--tag", "tags", multiple=True, help="A tag; may be given several times.")
_private = click.option("--private/--public", default=None, help="Who may see it.")
_to_read = click.option("--to-read/--read", default=None, help="Whether it is still to be read.")


@click.group()
def link() -> None:
    """Save, change and delete links."""


@link.command()
@click.argument("url")
@click.option("--title", help="Its title [default: the page's own, once it was checked].")
@click.option("--note", help="What to remember about it.")
@_tags
@_private
@_to_read
@click.option("--strip-tracking", is_flag=True, help="Leave out parameters that only track readers.")
@output_option
@server_option
def add(
    url: str,
    title: str | None,
    note: str | None,
    tags: tuple[str, ...],
    private: bool | None,
    to_read: bool | None,
    strip_tracking: bool,
    output: str,
    server: str | None,
) -> None:
    """Save URL; what is saved already is updated with what is said here."""
    wanted = NewLink(url=url, strip_tracking=strip_tracking, **_said(title, note, tags, private, to_read))

    async def work() -> tuple[Link, bool]:
        async with connect(server) as there:
            return await there.links.save(wanted)

    saved, is_new = run(work())
    _print(saved, output, "Saved" if is_new else "Updated")


@link.command()
@click.argument("which", metavar="ID|URL")
@output_option
@server_option
def show(which: str, output: str, server: str | None) -> None:
    """Print one link."""

    async def work() -> Link:
        async with connect(server) as there:
            return await _find(there, which)

    _print(run(work()), output, "Link")


@link.command()
@click.argument("which", metavar="ID|URL")
@click.option("--url", help="Its new address.")
@click.option("--title", help="Its new title.")
@click.option("--note", help="Its new note.")
@_tags
@_private
@_to_read
@output_option
@server_option
def edit(
    which: str,
    url: str | None,
    title: str | None,
    note: str | None,
    tags: tuple[str, ...],
    private: bool | None,
    to_read: bool | None,
    output: str,
    server: str | None,
) -> None:
    """Change what is said here; tags replace the tags that are there."""
    fields = _said(title, note, tags, private, to_read)
    if not fields and url is None:
        raise click.UsageError("say what to change")
    change = LinkChange(url=UNSET if url is None else url, **fields)

    async def work() -> Link:
        async with connect(server) as there:
            return await there.links.edit((await _find(there, which)).id, change)

    _print(run(work()), output, "Changed")


@link.command()
@click.argument("which", metavar="ID|URL...", nargs=-1, required=True)
@server_option
def rm(which: tuple[str, ...], server: str | None) -> None:
    """Delete links."""

    async def work() -> None:
        async with connect(server) as there:
            for found in [await _find(there, one) for one in which]:  # all must be there before one goes
                await there.links.delete(found.id)
                click.echo(f"Deleted {found.id}  {shown(found.url)}")

    run(work())


link.add_command(search)


def _said(
    title: str | None, note: str | None, tags: tuple[str, ...], private: bool | None, to_read: bool | None
) -> dict[str, Any]:
    """The fields of which something was said."""
    said = {"title": title, "note": note, "tags": tags or None, "private": private, "to_read": to_read}
    return {name: value for name, value in said.items() if value is not None}


async def _find(there: Server, which: str) -> Link:
    if which.isascii() and which.isdigit():
        return await there.links.get(int(which))
    if not urlsplit(which).scheme:
        raise click.UsageError(f"{which!r} is neither the number of a link nor an address")
    found = (await there.links.page(LinkQuery(url=which, limit=1))).items
    if not found:
        raise NotFound(f"no link has the address {which}")
    return found[0]


def _print(found: Link, output: str, word: str) -> None:
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    click.echo(f"{word} {found.id}  {shown(found.url)}")
    for name, value in (
        ("title", found.title),
        ("note", found.note),
        ("tags", " ".join(found.tags)),
        ("state", " ".join(_states(found))),
    ):
        if value:
            click.echo(f"  {name:6}{shown(value)}")


def _states(found: Link) -> list[str]:
    states = []
    if found.private:
        states.append("private")
    if found.to_read:
        states.append("to read")
    if found.health == "dead":
        since = "" if found.checked_at is None else f" since {found.checked_at.astimezone(dt.UTC):%Y-%m-%d}"
        states.append(f"dead{since} ({found.health_reason})")
    if found.suggested_url:
        states.append(f"moved to {found.suggested_url}")
    return states

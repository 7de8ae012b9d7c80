"""`delinkcious news`: one's news, and the timelines that they come from."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click
import msgspec

from delinkcious.asking import run, server_option
from delinkcious.pods import run_in
from delinkcious.session import connect
from delinkcious.terminal import shown
from services.kit.page import Page


class Entry(msgspec.Struct, frozen=True):
    """What the public interface says of a link in one's news; more fields are ignored."""

    link_id: int
    owner_id: int
    username: str
    url: str
    title: str
    tags: list[str]
    saved_at: dt.datetime


@click.group(invoke_without_command=True)
@click.option("-n", "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
@server_option
@click.pass_context
def news(context: click.Context, limit: int, output: str, server: str | None) -> None:
    """Show the newest links of the people you follow."""
    if context.invoked_subcommand is not None:
        return

    async def work() -> Page[Entry]:
        async with connect(server) as there:
            url = f"{there.url}/api/v1/news"
            token = await there.token()
            return await there.http.call("GET", url, Page[Entry], params={"limit": limit}, token=token)

    found = run(work()).items
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    for entry in found:
        click.echo(
            f"{entry.saved_at:%Y-%m-%d %H:%M}  {shown(entry.username)}: {shown(entry.title or entry.url)}"
        )
        click.echo(f"  {shown(entry.url)}  {shown(' '.join(entry.tags))}".rstrip())
    if not found:
        click.echo("No news: follow somebody, or wait until they save a link.")


@news.command()
@click.option(
    "--state", type=click.Path(path_type=Path), help="The local mesh's folder [default: .delinkcious]"
)
def rebuild(state: Path | None) -> None:
    """Build all timelines anew from links and follows, while readers go on reading.

    It runs in a pod of the news service, as `kubectl exec deploy/news-v1 -- python -m services.news rebuild`
    does on Kubernetes. The service does the same by itself when it finds that Redis was lost.
    """
    run_in("news-v1", "news", ["-m", "services.news", "rebuild"], state)

"""`delinkcious search`: finding links from the command line."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from delinkcious.asking import Failed, failed, output_option, run, server_option
from delinkcious.session import connect
from delinkcious.terminal import console, shown
from services.kit.errors import Problem, Unprocessable
from services.links.search.results import Hit, SearchQuery


# A query may begin with `-tag:old`, which is no option.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("query", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "-n", "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at most."
)
@output_option
@server_option
def search(query: tuple[str, ...], limit: int, output: str, server: str | None) -> None:
    """Find links: words, "exact phrases", tag:web -tag:old site:example.org before:2024-01-01 is:unread."""
    text = " ".join(query)

    async def work() -> list[Hit]:
        async with connect(server) as there:
            try:
                return (await there.links.search(SearchQuery(q=text, limit=limit))).items
            except Unprocessable as problem:
                raise _malformed(text, problem) from None

    hits = run(work())
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(hits)))
        return
    console().print(table_of(hits) if hits else "Nothing found.")


def table_of(hits: Sequence[Hit]) -> Table:
    """One row for each link; a narrow terminal wraps and cuts nothing."""
    table = Table("title", box=None, header_style="bold", pad_edge=False)
    table.add_column("address", overflow="fold")  # wrapped, so that all of it can be copied
    table.add_column("tags")
    table.add_column("saved", no_wrap=True)
    for hit in hits:
        link = hit.link
        cells = (link.title or link.url, link.url, " ".join(link.tags), f"{link.created_at:%Y-%m-%d}")
        table.add_row(*(Text(shown(cell)) for cell in cells))
    return table


def _malformed(text: str, problem: Problem) -> Failed:
    position, length = problem.members.get("position"), problem.members.get("length")
    if not isinstance(position, int):
        return failed(problem)
    carets = "^" * max(1, cell_len(text[position : position + length]) if isinstance(length, int) else 1)
    return Failed(f"{problem.detail}\n  {text}\n  {' ' * cell_len(text[:position])}{carets}", 2)

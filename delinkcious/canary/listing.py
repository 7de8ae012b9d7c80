"""Runs as a list: what was tried, how it ended, what it cost."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from delinkcious.terminal import shown
from mesh.canary.runs.folder import name_of
from mesh.canary.views import words
from mesh.canary.views.following import NotAJournal, read
from mesh.canary.views.summary import Summary, summary

# Narrower than this a table would break every word.
TABLE_COLUMNS = 110
STYLES = {"": "", "good": "green", "poor": "yellow", "bad": "red"}


@dataclass(frozen=True)
class Unreadable:
    """A journal that tells nothing, and why."""

    run: str
    sentence: str


Row = Summary | Unreadable


def rows(journals: Iterable[Path]) -> list[Row]:
    """Each run in one line, also those that nobody can read."""
    return [_row(path) for path in journals]


def _row(path: Path) -> Row:
    try:
        return summary(read(path), time.time())
    except NotAJournal as error:
        return Unreadable(name_of(path), str(error))


def plain(row: Row) -> Any:
    """For programs."""
    if isinstance(row, Unreadable):
        return {"run": row.run, "unreadable": row.sentence}
    return msgspec.to_builtins(row)


def table(found: list[Row], console: Console) -> RenderableType:
    """For people; on a narrow terminal each run is a paragraph."""
    if console.width < TABLE_COLUMNS:
        return Group(*(_paragraph(row) for row in found))
    heads = ("run", "service", "began", "took", "verdict", "requests", "errors", "harmed", "why")
    made = Table(*heads, box=None, pad_edge=False)
    for number in (5, 6, 7):
        made.columns[number].justify = "right"
    for column in made.columns[:-1]:
        column.no_wrap = True
    for row in found:
        made.add_row(*_cells(row))
    return made


def _cells(row: Row) -> tuple[Text, ...]:
    if isinstance(row, Unreadable):
        blank = [Text("")] * 6
        return (
            Text(shown(row.run)),
            *blank[:3],
            Text("unreadable", "red"),
            *blank[:3],
            Text(shown(row.sentence)),
        )
    return (
        Text(shown(row.run)),
        Text(f"{row.service} {row.canary.version}"),
        Text(words.date(row.began_at).removesuffix(" UTC")),
        Text(words.took(row.took_s)),
        Text(row.state, STYLES[row.tone]),
        Text(words.count(row.canary.requests)),
        Text(words.count(row.canary.errors)),
        Text(words.count(row.harmed)),
        Text(shown(row.why)),
    )


def _paragraph(row: Row) -> Text:
    if isinstance(row, Unreadable):
        return Text.assemble(shown(row.run), " ", ("unreadable", "red"), f"\n  {shown(row.sentence)}")
    answered = f"{words.counted(row.canary.requests, 'request')}, {words.counted(row.canary.errors, 'error')}"
    return Text.assemble(
        (f"{row.service} {row.canary.version} ", "bold"),
        (row.state, STYLES[row.tone]),
        f" after {words.took(row.took_s)}\n  {shown(row.run)}\n  {answered}, ",
        f"{words.count(row.harmed)} harmed",
        f"\n  {shown(row.why)}" if row.why else "",
    )

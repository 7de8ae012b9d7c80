"""Links as a bookmark file: what `files.read` reads back, and what browsers and services understand.

Everything that a link holds of its owner's making survives the way out and in again, in every format, but
for this: a date keeps its whole seconds; a link without a title comes back with its address as title; white
space at the end of a note's lines, and blank lines around it, are not kept.
"""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from .fields import SECONDS_BELOW
from .messages import ExportFormat
from .netscape import NOTES_APART
from .raindrop import OWN_COLUMNS, defused

# A link by its column names: a record of the store.
Link = Any

_NETSCAPE_HEAD = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<!-- This is an automatically generated file.
     It will be read and overwritten.
     DO NOT EDIT! -->
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
<TITLE>Bookmarks</TITLE>
<H1>Bookmarks</H1>
<DL><p>
"""
# Raindrop.io's columns, then those that its own exports lack.
_COLUMNS = (
    "id",
    "title",
    "note",
    "excerpt",
    "url",
    "folder",
    "tags",
    "created",
    *OWN_COLUMNS,
    "notes",
    "archived",
)


@dataclass(frozen=True)
class Writer:
    """A file is `head`, the entries with `between` between them, and `tail`."""

    media_type: str
    file_name: str
    head: str
    entry: Callable[[Link], str]
    between: str
    tail: str


def _netscape(link: Link) -> str:
    tags = f' TAGS="{_quoted(",".join(link["tags"]))}"' if link["tags"] else ""
    line = (
        f'    <DT><A HREF="{_quoted(link["url"])}" ADD_DATE="{_add_date(link["created_at"])}"'
        f' PRIVATE="{link["private"]:d}" TOREAD="{link["to_read"]:d}"{tags}{_more(link)}>'
        f"{_quoted(link['title'])}</A>\n"
    )
    if link["note"] or link["notes"]:
        line += f"    <DD>{_quoted(link['note'])}{_notes(link['notes'])}\n"
    return line


def _more(link: Link) -> str:
    """What few links have."""
    apart = f' NOTES="{NOTES_APART}"' if link["notes"] else ""
    return (' ARCHIVED="1"' if link["archived"] else "") + apart


def _notes(notes: str) -> str:
    """A second text as linkding writes and reads it; other programs show it behind the note."""
    return f"[linkding-notes]{_quoted(notes)}[/linkding-notes]" if notes else ""


def _quoted(text: str) -> str:
    """As it may stand in text and in a value. A bracket is written out: linkding gives some a meaning."""
    return html.escape(text).replace("\r", "&#13;").replace("[", "&#91;")


def _add_date(when: dt.datetime) -> str:
    """Seconds since 1970, or the ISO form where readers would take the number for something else."""
    seconds = int(when.replace(microsecond=0).timestamp())
    return str(seconds) if 0 < seconds < SECONDS_BELOW else _iso(when)


def _pinboard(link: Link) -> str:
    post = {
        "href": link["url"],
        "description": link["title"],
        "extended": link["note"],
        "time": _iso(link["created_at"]),
        "shared": "no" if link["private"] else "yes",
        "toread": "yes" if link["to_read"] else "no",
        "tags": " ".join(link["tags"]),
        **({"notes": link["notes"]} if link["notes"] else {}),
        **({"archived": "yes"} if link["archived"] else {}),
    }
    return msgspec.json.encode(post).decode()


def _raindrop(link: Link) -> str:
    return _csv_line(
        (
            link["id"],
            link["title"],
            link["note"],
            "",
            link["url"],
            "",
            ",".join(link["tags"]),
            _iso(link["created_at"]),
            "true" if link["private"] else "false",
            "true" if link["to_read"] else "false",
            link["notes"],
            "true" if link["archived"] else "false",
        )
    )


def _csv_line(values: Iterable[object]) -> str:
    """What is in a cell is text: a spreadsheet must not compute what somebody saved as a title."""
    line = io.StringIO()
    csv.writer(line).writerow([defused(str(value)) for value in values])
    return line.getvalue()


def _iso(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


WRITERS: dict[ExportFormat, Writer] = {
    "netscape": Writer(
        "text/html; charset=utf-8", "bookmarks.html", _NETSCAPE_HEAD, _netscape, "", "</DL><p>\n"
    ),
    "json": Writer("application/json", "bookmarks.json", "[", _pinboard, ",\n", "]\n"),
    "csv": Writer("text/csv; charset=utf-8", "bookmarks.csv", _csv_line(_COLUMNS), _raindrop, "", ""),
}


async def write(writer: Writer, pages: AsyncIterator[list[Link]]) -> AsyncIterator[bytes]:
    """The file in pieces, one for each page; nothing comes before the first page is there."""
    text, between = writer.head, ""
    async for page in pages:
        text += between + writer.between.join(map(writer.entry, page))
        yield text.encode()
        text, between = "", writer.between
    yield (text + writer.tail).encode()

"""Raindrop.io's CSV; `private` and `to_read` are columns of our own, which its files do not have."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator

from . import fields
from .model import MAX_TEXT_CHARACTERS, Entry, Options, Skipped

# The columns by which a file is known as one of ours, where cells are defused.
OWN_COLUMNS = ("private", "to_read")
_DEFUSED = ("url", "title", "note", "excerpt", "folder", "tags", "created", "notes")
# What a spreadsheet takes for a formula, and what would otherwise be mistaken for a defused one. A line feed
# belongs here since that is how a carriage return is read.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def defused(cell: str) -> str:
    """The cell with a single quote before it where a spreadsheet would compute it; `plain` undoes that."""
    return "'" + cell if _FORMULA.match(cell) else cell


def plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read(chunks: Iterable[str], options: Options) -> Iterator[Entry]:
    """The entries in file order; where the file's structure breaks, one Skipped ends them."""
    csv.field_size_limit(MAX_TEXT_CHARACTERS)
    place = 0
    try:
        rows = csv.DictReader(_lines(chunks), restval="")
        is_own = set(OWN_COLUMNS) <= set(rows.fieldnames or ())
        for place, row in enumerate(rows, start=1):
            if is_own:
                row.update({name: plain(row[name]) for name in _DEFUSED if name in row})
            yield _entry(place, row, options)
    except (csv.Error, ValueError):
        yield Skipped(place + 1, "", "unreadable")


def _lines(chunks: Iterable[str]) -> Iterator[str]:
    rest = ""
    for chunk in chunks:
        lines = (rest + chunk).split("\n")
        rest = lines.pop()
        for line in lines:
            yield line + "\n"
        if len(rest) > MAX_TEXT_CHARACTERS:
            raise ValueError("a line without an end")
    if rest:
        yield rest


def _entry(place: int, row: dict[str, str], options: Options) -> Entry:
    path = folder_tags(row.get("folder", "")) if options.folders else []
    note = row.get("note", "")
    private = row.get("private", "").strip()
    return fields.entry(
        place,
        url=row.get("url", ""),
        title=row.get("title", ""),
        note=note if note.strip() else row.get("excerpt", ""),
        tags=[*path, *row.get("tags", "").split(",")],
        private=fields.flag(private) if private else options.private,
        to_read=fields.flag(row.get("to_read")),
        date=row.get("created", ""),
        notes=row.get("notes", ""),
        archived=fields.flag(row.get("archived")),
    )


def folder_tags(path: str) -> list[str]:
    """The tag-giving folders of a path like `Dev / Compilers`; the first is none if it is a browser's own."""
    found: list[str] = []
    for part in path.split("/"):
        if found or not fields.is_root_folder(part):
            found += fields.tag_set([part])
    return found

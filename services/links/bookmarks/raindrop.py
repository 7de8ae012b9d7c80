"""Raindrop.io's CSV; `private` and `to_read` are columns of our own, which its files do not have."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from . import fields
from .model import MAX_TEXT_CHARACTERS, Entry, Options, Skipped


def read(chunks: Iterable[str], options: Options) -> Iterator[Entry]:
    """The entries in file order; where the file's structure breaks, one Skipped ends them."""
    csv.field_size_limit(MAX_TEXT_CHARACTERS)
    place = 0
    try:
        for place, row in enumerate(csv.DictReader(_lines(chunks), restval=""), start=1):
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
    )


def folder_tags(path: str) -> list[str]:
    """The tag-giving folders of a path like `Dev / Compilers`; the first is none if it is a browser's own."""
    found: list[str] = []
    for part in path.split("/"):
        if found or not fields.is_root_folder(part):
            found += fields.tag_set([part])
    return found

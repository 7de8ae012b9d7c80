"""A bookmark file of any format: what it is, by its content, and its entries."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from . import netscape, pinboard, raindrop
from .model import Entry, Format, Options, UnknownFormat
from .text import chunks

# What is looked at to tell the format: a browser's header fits in many times.
HEAD_CHARACTERS = 1 << 16

_READERS: dict[Format, Callable[[Iterable[str], Options], Iterator[Entry]]] = {
    "netscape": netscape.read,
    "pocket": netscape.read,
    "pinboard-json": pinboard.read,
    "raindrop-csv": raindrop.read,
}
_LINKS_OR_LISTS = re.compile(r"<(?:a\s|dl\b|dt\b|h1\b|!doctype\s)", re.IGNORECASE)
_POCKET = re.compile(r"<title>\s*pocket export\s*</title>", re.IGNORECASE)


def read(file: BinaryIO, options: Options) -> tuple[Format, Iterator[Entry]]:
    """The format and the entries in file order; `file` is read through twice. Raises UnknownFormat."""
    text = chunks(file)
    head = ""
    while len(head) < HEAD_CHARACTERS and (piece := next(text, None)) is not None:
        head += piece
    found = format_of(head)
    return found, _READERS[found](itertools.chain([head], text), options)


def format_of(head: str) -> Format:
    """The format of a file that begins like this; raises UnknownFormat."""
    start = head.lstrip()[:1]
    if not start:
        raise UnknownFormat("The file is empty.")
    if start == "[":
        return "pinboard-json"
    if _POCKET.search(head):
        return "pocket"
    if start == "<" and _LINKS_OR_LISTS.search(head):
        return "netscape"
    if "url" in _columns(head):
        return "raindrop-csv"
    if _LINKS_OR_LISTS.search(head):
        return "netscape"
    if start == "{":
        raise UnknownFormat(
            "This looks like a browser's backup in JSON; export the bookmarks as HTML instead."
        )
    raise UnknownFormat(
        "This is no bookmark file: neither HTML with links, nor Pinboard's JSON, nor CSV with a column `url`."
    )


def _columns(head: str) -> list[str]:
    try:
        return next(csv.reader([head.lstrip().split("\n", 1)[0]]), [])
    except csv.Error:
        return []

"""What travels between `links` and those who import or export through it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .model import Options, Skipped

# 256 MiB over a slow line, and its links; whoever sends the file again goes on where this one stopped.
IMPORT_DEADLINE_S = 900.0
EXPORT_DEADLINE_S = 300.0
# Who is silent for as long is gone, on either side.
STALLED_S = 30.0

ExportFormat = Literal["netscape", "json", "csv"]


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In which format: Netscape's HTML, Pinboard's JSON or Raindrop.io's CSV."""

    format: Annotated[
        ExportFormat, Meta(description="netscape (HTML), json (Pinboard) or csv (Raindrop.io)")
    ] = "netscape"


class Shortened(msgspec.Struct, frozen=True):
    """An entry of which a link cannot hold everything: the longest title, note and tags there may be."""

    place: int
    url: str


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds: `links` are its different addresses; the first notices of each kind are listed."""

    format: str
    entries: int
    links: int
    skipped: int
    skipped_entries: list[Skipped]
    shortened: int
    shortened_entries: list[Shortened]


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One import: how far it is and, once `state` is `done`, its report.

    `contents` tells what the file holds, once it is read: its entries, the links they make, those skipped
    or cut short. Of its links `handled` were compared and written so far: added, updated, unchanged (with
    what the account had), or refused because it is full. `bytes` of `total_bytes` were received or read.
    """

    key: str
    state: str
    running: bool
    options: Options
    bytes: int
    total_bytes: int | None
    contents: Contents | None
    handled: int
    added: int
    updated: int
    unchanged: int
    refused: int
    refused_entries: list[Skipped]
    problem: str | None
    created_at: dt.datetime
    updated_at: dt.datetime

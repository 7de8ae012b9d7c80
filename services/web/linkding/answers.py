"""How things are shown in this interface; no I/O."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from services.links.client import Listed, TagEntry

VERSION = "1.40.0"
ARCHIVE = "https://web.archive.org/web"

# A host with or without a port, as it may stand in an address.
_HOST = re.compile(r"[A-Za-z0-9._~-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")

PROFILE: dict[str, Any] = {
    "theme": "auto",
    "bookmark_date_display": "relative",
    "bookmark_link_target": "_blank",
    "web_archive_integration": "disabled",
    "tag_search": "strict",
    # Without it the browser extension hides its box.
    "enable_sharing": True,
    "enable_public_sharing": True,
    "enable_favicons": False,
    "display_url": False,
    "permanent_notes": False,
    # Typed programs cannot read more; absent means default.
    "search_preferences": {},
    "version": VERSION,
}


def bookmark(listed: Listed) -> dict[str, Any]:
    """A link with every field that some version of the interface has had."""
    link = listed.link
    return {
        "id": link.id,
        "url": link.url,
        "title": link.title,
        "description": link.note,
        "notes": link.notes,
        "web_archive_snapshot_url": f"{ARCHIVE}/{_digits(link.created_at)}/{link.url}",
        "favicon_url": None,
        "preview_image_url": None,
        "is_archived": link.archived,
        "unread": link.to_read,
        "shared": not link.private,
        "tag_names": sorted(listed.tag_names),
        "date_added": moment(link.created_at),
        "date_modified": moment(link.updated_at),
        "website_title": None,
        "website_description": None,
    }


def tag(entry: TagEntry) -> dict[str, Any]:
    return {"id": entry.id, "name": entry.name, "date_added": moment(entry.created_at)}


def moment(when: dt.datetime) -> str:
    """`2026-11-23T10:00:00.000000Z`."""
    return when.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _digits(when: dt.datetime) -> str:
    return re.sub(r"\D", "", when.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds"))


def origin(headers: Mapping[str, str], public_url: str) -> str:
    """Scheme and host by which the program reached us."""
    if public_url:
        return public_url.rstrip("/")
    scheme = headers.get("x-forwarded-proto", "http").partition(",")[0].strip().lower()
    host = headers.get("host", "")
    return f"{'https' if scheme == 'https' else 'http'}://{host if _HOST.fullmatch(host) else 'localhost'}"


def page_urls(
    base: str, query: bytes, *, count: int, limit: int, offset: int
) -> tuple[str | None, str | None]:
    """The addresses of the next and the previous part of a list, all other parameters kept."""
    given = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace")
    others = [(name, value) for name, value in given if name not in ("limit", "offset")]

    def at(start: int) -> str:
        place = [("limit", str(limit)), *([("offset", str(start))] if start else [])]
        return f"{base}?{urlencode([*others, *place])}"

    following = at(offset + limit) if offset + limit < count else None
    return following, at(max(0, offset - limit)) if offset > 0 else None


def page_head(count: int, following: str | None, previous: str | None) -> str:
    """The beginning of a list, up to its first element."""
    head = msgspec.json.encode({"count": count, "next": following, "previous": previous}).decode()
    return f'{head[:-1]},"results":['

"""All of a user's data in one zip file, streamed: what every service holds, in forms that others read.

What is small is fetched first, so that a service that is away is said while there still is an answer to give;
the links follow in pages. A zip that broke off has no directory at its end, so nobody takes it for whole.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from services.kit.page import Page
from services.kit.settings import Secret
from services.links.client import ExportQuery, LinkQuery, LinksClient, TagEntry, TagEntryQuery
from services.social_graph.client import ListQuery
from services.users.client import AuditEntry, Export, UsersClient
from services.web.linkding.bundle import MAX_BUNDLES
from services.web.linkding.bundle_store import BundleStore
from services.web.sessions import Session
from services.web.visit import Visit

T = TypeVar("T")

PAGE = 1_000
PEOPLE_PAGE = 100
AUDIT_PAGE = 100
# Compressed at a time: a few milliseconds of a core.
BLOCK_BYTES = 1 << 18
README = """\
All that Delinkcious holds of {username}, as of {now}.

account.json       the account
sessions.json      where you are signed in
identities.json    the accounts elsewhere that you sign in with
api-tokens.json    your API tokens, without their secrets
activity.json      what happened to the account
links.json         every link with all its fields, one JSON object a line; health, health_reason,
                   suggested_url and checked_at are what the last check found
bookmarks.html     the same links for any browser
tags.json          your tags, how each is spelt and how many links have it; those without one, too
bundles.json       searches that you saved with a program of linkding's
following.json     whom you follow, since when
followers.json     who follows you, since when
blocks.json        whom you have blocked
"""


@dataclass(frozen=True)
class Contents:
    """Small files as they are, and the links still to be read."""

    files: dict[str, bytes]
    links: LinksClient


async def collect(visit: Visit) -> Contents:
    """Fetch what is small; raises the problem of whoever is away."""
    users, people, links = visit.users, visit.people, visit.links
    token = await visit.secret_token()
    account = await users.export(token)
    audit = await _audit(users, token, account)
    following, followers, blocks = await asyncio.gather(
        _all(lambda cursor: people.following(ListQuery(limit=PEOPLE_PAGE, cursor=cursor))),
        _all(lambda cursor: people.followers(ListQuery(limit=PEOPLE_PAGE, cursor=cursor))),
        _all(lambda cursor: people.blocks(ListQuery(limit=PEOPLE_PAGE, cursor=cursor))),
    )
    tags = await _tags(links)
    _, bundles = await BundleStore(visit.deps.database).page(visit.user.user_id, MAX_BUNDLES, 0)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Contents(
        {
            "README.txt": README.format(username=account.profile.username, now=now).encode(),
            "account.json": _json(account.profile),
            "identities.json": _json(account.identities),
            "sessions.json": _json(account.sessions),
            "api-tokens.json": _json(account.tokens),
            "activity.json": _json(audit),
            "tags.json": _json(tags),
            "bundles.json": _json(bundles),
            "following.json": _json(following),
            "followers.json": _json(followers),
            "blocks.json": _json(blocks),
        },
        links,
    )


def file_name(session: Session) -> str:
    return f"delinkcious-{session.username}-{dt.datetime.now(dt.UTC):%Y-%m-%d}.zip"


async def stream(contents: Contents) -> AsyncGenerator[bytes, None]:
    """The zip file in pieces."""
    out = _Sink()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.files.items():
            archive.writestr(_entry(name), content)
        yield out.taken()
        files: tuple[tuple[str, AsyncIterator[bytes]], ...] = (
            ("links.json", _lines(contents.links)),
            ("bookmarks.html", contents.links.export(ExportQuery(format="netscape"))),
        )
        for name, pieces in files:
            with archive.open(_entry(name), "w", force_zip64=True) as entry:
                async for piece in pieces:
                    for start in range(0, len(piece), BLOCK_BYTES):
                        await asyncio.to_thread(entry.write, piece[start : start + BLOCK_BYTES])
                        if made := out.taken():
                            yield made
    yield out.taken()


async def _lines(links: LinksClient) -> AsyncIterator[bytes]:
    cursor = None
    while True:
        found = await links.page(LinkQuery(limit=PAGE, cursor=cursor, order="oldest"))
        yield b"".join(msgspec.json.encode(link) + b"\n" for link in found.items)
        cursor = found.next
        if cursor is None:
            return


async def _tags(links: LinksClient) -> list[TagEntry]:
    found: list[TagEntry] = []
    while page := (await links.tag_entries(TagEntryQuery(limit=PAGE, offset=len(found)))).items:
        found += page
    return found


async def _audit(users: UsersClient, token: Secret, account: Export) -> list[AuditEntry]:
    """The whole log, the newest first."""
    entries, cursor = list(account.audit), account.audit_next
    while cursor is not None:
        page = await users.list_audit(token, limit=AUDIT_PAGE, cursor=cursor)
        entries += page.items
        cursor = page.next
    return entries


async def _all(read: Callable[[str | None], Awaitable[Page[T]]]) -> list[T]:
    found: list[T] = []
    cursor = None
    while True:
        page = await read(cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, dt.datetime.now(dt.UTC).timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


class _Sink(io.RawIOBase):
    """Where the archive is written to; what was written can be taken out once."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

"""Requests about bookmarks."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from services.kit.errors import BadRequest, Conflict, NotFound, Problem, Unprocessable
from services.link_checker.client import PageInfo
from services.links.client import InvalidUrl, LinkChange, Listed, ListingQuery, NewLink, normalise_url
from services.web.linkding import answers
from services.web.linkding.call import Call, answer, done
from services.web.linkding.fields import (
    MAX_TEXT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    REQUIRED,
    BookmarkFields,
    InvalidFields,
    bookmark_fields,
    within_limits,
)

T = TypeVar("T")

# Programs give up after 10 s, and saving must not wait for a slow page as long as that.
FETCH_S = 4.0


async def get_bookmark(call: Call) -> Response:
    return answer(answers.bookmark(await _listed(call, call.number)))


async def create(call: Call) -> Response:
    """Save a bookmark; one of the same address is replaced, but keeps its number, date and place."""
    sent = bookmark_fields(await call.body())
    if sent.url is UNSET:
        raise InvalidFields(url=REQUIRED)
    before = await _of_address(call, sent.url)
    sent = within_limits(sent, None if before is None else before.link)
    if "disable_scraping" not in call.query and not (sent.title and sent.description):
        sent = await _completed(call, sent)
    new = NewLink(
        url=_or(sent.url, ""),
        title=_or(sent.title, ""),
        note=_or(sent.description, ""),
        notes=_or(sent.notes, ""),
        to_read=_or(sent.unread, False),
        private=not _or(sent.shared, False),
        tags=_or(sent.tag_names, ()),
        archived=sent.is_archived if before is None else UNSET,
        created_at=sent.date_added if before is None else UNSET,
        updated_at=sent.date_modified if before is None else UNSET,
    )
    try:
        link, _ = await call.links.save(new)
    except Conflict as problem:
        raise BadRequest(problem.detail) from problem
    except Unprocessable as problem:
        raise InvalidFields(url=problem.detail) from problem
    return answer(answers.bookmark(await _listed(call, link.id)), 201)


async def replace(call: Call) -> Response:
    """Change what is given; the address has to be."""
    sent = bookmark_fields(await call.body())
    if sent.url is UNSET:
        raise InvalidFields(url=REQUIRED)
    return await _change(call, sent)


async def change(call: Call) -> Response:
    """Change what is given."""
    return await _change(call, bookmark_fields(await call.body()))


async def _change(call: Call, sent: BookmarkFields) -> Response:
    before = await _listed(call, call.number)
    sent = within_limits(sent, before.link)
    wanted = LinkChange(
        url=sent.url,
        title=sent.title,
        note=sent.description,
        notes=sent.notes,
        to_read=sent.unread,
        private=UNSET if sent.shared is UNSET else not sent.shared,
        tags=sent.tag_names,
        archived=sent.is_archived,
        created_at=sent.date_added,
    )
    try:
        await call.links.edit(before.link.id, wanted)
    except Conflict as problem:
        raise InvalidFields(url="A bookmark with this URL already exists.") from problem
    except Unprocessable as problem:
        raise InvalidFields(url=problem.detail) from problem
    return answer(answers.bookmark(await _listed(call, before.link.id)))


async def delete(call: Call) -> Response:
    await call.links.delete(call.number)
    return done()


async def archive(call: Call) -> Response:
    await call.links.edit(call.number, LinkChange(archived=True))
    return done()


async def unarchive(call: Call) -> Response:
    await call.links.edit(call.number, LinkChange(archived=False))
    return done()


async def check(call: Call) -> Response:
    """What is saved of an address, and what its page says of itself; nothing is saved."""
    url = call.query.get("url", "").replace("\0", "")
    if not url.strip():
        raise InvalidFields(url=REQUIRED)
    try:
        before = await _of_address(call, url)
    except InvalidFields:
        before = None
    page = await _fetched(call, url)
    return answer(
        {
            "bookmark": None if before is None else answers.bookmark(before),
            # Exactly as it was given: the program finds the answer again by it.
            "metadata": {
                "url": url,
                "title": page and page.title,
                "description": page and page.description,
                "preview_image": page and page.image,
            },
            "auto_tags": [],
        }
    )


async def list_assets(call: Call) -> Response:
    """An empty page: there are no uploads."""
    await _listed(call, call.number)
    return answer({"count": 0, "next": None, "previous": None, "results": []})


async def no_asset(call: Call) -> Response:
    raise NotFound


async def refuse_upload(call: Call) -> Response:
    return answer({"error": "Asset upload is disabled."}, 403)


async def _listed(call: Call, link_id: int) -> Listed:
    """One of the caller's bookmarks; raises NotFound."""
    query = ListingQuery(id=[link_id], limit=1, counted=False)
    for listed in (await call.links.listing(query)).items:
        return listed
    raise NotFound


async def _of_address(call: Call, url: str) -> Listed | None:
    """What is saved of an address; raises InvalidFields for what is none."""
    try:
        address = normalise_url(url)
    except InvalidUrl:
        return None
    try:
        listing = await call.links.listing(ListingQuery(url=address, limit=1, counted=False))
    except (Unprocessable, BadRequest):
        return None
    return next(iter(listing.items), None)


async def _completed(call: Call, sent: BookmarkFields) -> BookmarkFields:
    """The empty ones of title and description filled with what the page says."""
    page = await _fetched(call, _or(sent.url, ""))
    if page is None:
        return sent
    title = _or(sent.title, "") or " ".join((page.title or "").split())[:MAX_TITLE_CHARACTERS]
    description = _or(sent.description, "") or (page.description or "")[:MAX_TEXT_CHARACTERS]
    return msgspec.structs.replace(sent, title=title, description=description)


async def _fetched(call: Call, url: str) -> PageInfo | None:
    """What a page says of itself; None when it cannot be had in time."""
    try:
        async with asyncio.timeout(FETCH_S):
            return await call.deps.public.page(url)
    except (Problem, TimeoutError):
        return None


def _or(value: T | UnsetType, default: T) -> T:
    return default if value is UNSET else value

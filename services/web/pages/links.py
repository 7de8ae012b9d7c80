"""The list of one's links: search, filters, and changing one link in its place."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from starlette.responses import Response

from services.kit.errors import BadRequest, NotFound, PreconditionFailed, Problem, Unprocessable
from services.kit.page import Page
from services.links.client import (
    Highlights,
    Hit,
    Link,
    LinkChange,
    LinkQuery,
    SearchQuery,
    TagQuery,
)
from services.web.failures import said
from services.web.page import page
from services.web.rendering import query
from services.web.visit import HOME, Visit, local_path

PAGE_LINKS = 25
SHOWN_TAGS = 30
NOTHING_MARKED = Highlights(title=[], url=[], note=[], tags=[])
# What `show` in the address may be, with what the list is then of.
FILTERS: dict[str, dict[str, object]] = {
    "unread": {"to_read": True},
    "private": {"private": True},
    "public": {"private": False},
    "dead": {"health": "dead"},
}
ORDERS = {"newest": "Newest first", "oldest": "Oldest first", "updated": "Last changed", "title": "By title"}

_GAPS = re.compile(r"[\s,]+")


async def index(visit: Visit) -> Response:
    """The list; htmx gets the results alone."""
    asked = {name: visit.query.text(name) for name in ("q", "show", "order", "cursor")}
    asked["show"] = asked["show"] if asked["show"] in FILTERS else ""
    asked["order"] = asked["order"] if asked["order"] in ORDERS else "newest"
    tags = [tag for tag in visit.query.texts("tag") if tag]
    problem = ""
    try:
        found = await _found(visit, asked, tags)
    except (BadRequest, Unprocessable) as error:
        found, problem = Page(items=[]), said(error)
    values = {
        **asked,
        "tags": tags,
        "hits": found.items,
        "next": found.next and _address(asked, tags, cursor=found.next, select=visit.query.text("select")),
        "problem": problem,
        "select": visit.query.flag("select"),
        "back": _address(asked, tags, cursor=asked["cursor"]),
        "selecting": _address(asked, tags, cursor=asked["cursor"], select="1"),
    }
    if visit.is_partial:
        return visit.render("links/results.html", **values)
    counts, shown = await asyncio.gather(
        visit.links.counts(), visit.links.tags(TagQuery(order="count", limit=SHOWN_TAGS))
    )
    return visit.render("links/index.html", counts=counts, shown_tags=shown.items, orders=ORDERS, **values)


async def _found(visit: Visit, asked: dict[str, str], tags: list[str]) -> Page[Hit]:
    cursor = asked["cursor"] or None
    if asked["q"]:
        text = " ".join([asked["q"], *(f'tag:"{tag}"' for tag in tags)])
        return await visit.links.search(SearchQuery(q=text, limit=PAGE_LINKS, cursor=cursor))
    chosen = FILTERS.get(asked["show"], {})
    listed = await visit.links.page(
        LinkQuery(limit=PAGE_LINKS, cursor=cursor, order=asked["order"], tag=tags, **chosen)  # type: ignore[arg-type]
    )
    return Page(items=[unmarked(link) for link in listed.items], next=listed.next)


def unmarked(link: Link) -> Hit:
    """A link that no search has found."""
    return Hit(link, None, NOTHING_MARKED)


def _address(asked: dict[str, str], tags: list[str], *, cursor: str = "", select: str = "") -> str:
    order = "" if asked["order"] == "newest" else asked["order"]
    return query(HOME, q=asked["q"], show=asked["show"], order=order, tag=tags, cursor=cursor, select=select)


async def show(visit: Visit) -> Response:
    """One link, as it stands in the list."""
    link = await visit.links.get(_id(visit))
    if visit.is_partial:
        return visit.render("links/row.html", hit=unmarked(link), select=False)
    return visit.render("links/one.html", hit=unmarked(link))


async def edit_form(visit: Visit) -> Response:
    link = await visit.links.get(_id(visit))
    return _edit_form(visit, link, {}, "")


def _edit_form(
    visit: Visit, link: Link, sent: dict[str, object], problem: str, status: int = 200
) -> Response:
    template = "links/edit_row.html" if visit.is_partial else "links/edit.html"
    given = {
        "url": link.url,
        "title": link.title,
        "note": link.note,
        "tags": " ".join(link.tags),
        "private": link.private,
        "to_read": link.to_read,
        "version": link.version,
    }
    back = local_path(visit.form.text("back") or visit.query.text("back"))
    return visit.render(template, status, link=link, given=given | sent, problem=problem, back=back)


async def edit(visit: Visit) -> Response:
    """Change a link, unless it was changed since the form was shown."""
    form, link_id = visit.form, _id(visit)
    sent: dict[str, object] = {name: form.text(name) for name in ("url", "title", "note", "tags")}
    sent |= {"private": form.flag("private"), "to_read": form.flag("to_read")}
    change = LinkChange(
        url=form.text("url"),
        title=form.text("title"),
        note=form.text("note"),
        tags=tags_of(form.text("tags")),
        private=form.flag("private"),
        to_read=form.flag("to_read"),
    )
    try:
        link = await visit.links.edit(link_id, change, version=form.number("version"))
    except PreconditionFailed:
        now = await visit.links.get(link_id)
        sentence = "It was changed elsewhere since you opened it. Save again to keep what you see here."
        return _edit_form(visit, now, sent, sentence, PreconditionFailed.status)
    except (Unprocessable, BadRequest) as error:
        return _edit_form(visit, await visit.links.get(link_id), sent, said(error), error.status)
    except Problem as error:
        if error.status != 409:
            raise
        sentence = "You have saved this address already, as another link."
        return _edit_form(visit, await visit.links.get(link_id), sent, sentence, error.status)
    if visit.is_partial:
        return visit.render("links/row.html", hit=unmarked(link), select=False, saved=True)
    return visit.redirect(local_path(form.text("back")), "The link is changed.")


async def delete_form(visit: Visit) -> Response:
    """Ask first."""
    link = await visit.links.get(_id(visit))
    template = "links/delete_row.html" if visit.is_partial else "links/delete.html"
    return visit.render(template, link=link, back=local_path(visit.query.text("back")))


async def delete(visit: Visit) -> Response:
    # Perhaps it is deleted already, by this very form.
    with suppress(NotFound):
        await visit.links.delete(_id(visit))
    if visit.is_partial:
        return visit.render("links/deleted_row.html")
    return visit.redirect(local_path(visit.form.text("back")), "The link is deleted.")


def tags_of(text: str) -> tuple[str, ...]:
    """Tags as they are typed, with blanks or commas between."""
    return tuple(tag.removeprefix("#") for tag in _GAPS.split(text) if tag.removeprefix("#"))


def _id(visit: Visit) -> int:
    link_id: int = visit.request.path_params["link_id"]
    return link_id


ROUTES = [
    page("/links", get=index),
    page("/links/{link_id:int}", get=show),
    page("/links/{link_id:int}/edit", get=edit_form, post=edit),
    page("/links/{link_id:int}/delete", get=delete_form, post=delete),
]

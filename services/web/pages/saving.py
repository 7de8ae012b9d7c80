"""Saving a link: what is known of the page is suggested, and the small window of the bookmarklet."""

from __future__ import annotations

import asyncio

from msgspec import UNSET
from starlette.responses import Response

from services.kit import deadline
from services.kit.errors import Problem, Unauthenticated, Unavailable
from services.link_checker.client import PageInfo
from services.links.client import Link, LinkQuery, NewLink, SuggestionQuery
from services.web.failures import said
from services.web.page import page
from services.web.pages.links import tags_of
from services.web.visit import Visit, local_path

# A slow page must not keep anybody from saving it.
LOOK_S = 4.0
SUGGESTED_TAGS = 8
MAX_TITLE_CHARACTERS = 1_000


async def save_form(visit: Visit) -> Response:
    """The form; with an address in the query, filled in with what is known of the page."""
    asked = visit.query
    given = {
        "url": asked.text("url"),
        "title": asked.text("title"),
        "note": asked.text("note"),
        "tags": asked.text("tags"),
        "private": asked.flag("private"),
        "to_read": asked.flag("to_read"),
    }
    known: Link | None = None
    suggested: list[str] = []
    if given["url"]:
        known, suggested = await _suggest(visit, given)
    if visit.is_partial:
        return visit.render("save/details.html", given=given, known=known, suggested=suggested)
    return _form(visit, given, known, suggested)


def _form(
    visit: Visit,
    given: dict[str, object],
    known: Link | None = None,
    suggested: list[str] | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    form = visit.form if visit.request.method == "POST" else visit.query
    popup = form.flag("popup")
    return visit.render(
        "save/popup.html" if popup else "save/form.html",
        status,
        given=given,
        known=known,
        suggested=suggested or [],
        problem=problem,
        popup=popup,
        back=local_path(form.text("back")),
    )


async def _suggest(visit: Visit, given: dict[str, object]) -> tuple[Link | None, list[str]]:
    """Fill in what is missing of `given`; the link that is saved already, and tags that may fit."""
    url = str(given["url"])
    known, read = await asyncio.gather(_known(visit, url), _read(visit, url, bool(given["title"])))
    if known is not None:
        given["title"] = given["title"] or known.title
        given["note"] = given["note"] or known.note
        given["tags"] = given["tags"] or " ".join(known.tags)
        given["private"], given["to_read"] = known.private, known.to_read
    given["title"] = (str(given["title"]) or read.title or "")[:MAX_TITLE_CHARACTERS]
    given["note"] = given["note"] or read.description or ""
    chosen = tags_of(str(given["tags"]))
    wanted = SuggestionQuery(url=url, title=str(given["title"]), tag=list(chosen), limit=SUGGESTED_TAGS)
    try:
        suggestions = await visit.links.suggest_tags(wanted)
    except Unauthenticated:
        raise
    except Problem:
        return known, []
    return known, [suggestion.tag for suggestion in suggestions if suggestion.tag not in chosen]


async def _known(visit: Visit, url: str) -> Link | None:
    try:
        found = await visit.links.page(LinkQuery(url=url, limit=1))
    except (Unauthenticated, Unavailable):
        raise
    except Problem:
        # No address at all: the form will say so when it is sent.
        return None
    return found.items[0] if found.items else None


async def _read(visit: Visit, url: str, has_title: bool) -> PageInfo:
    """What the page says of itself; nothing when it cannot be had soon."""
    nothing = PageInfo(url=url)
    if has_title:
        return nothing
    try:
        async with deadline.deadline(LOOK_S):
            return await visit.deps.public.page(url)
    except Problem:
        return nothing


async def save(visit: Visit) -> Response:
    form = visit.form
    given: dict[str, object] = {name: form.text(name) for name in ("url", "title", "note", "tags")}
    given |= {"private": form.flag("private"), "to_read": form.flag("to_read")}
    if form.flag("look"):
        # "Look it up", without JavaScript: the same form again, with what is known filled in.
        known, suggested = await _suggest(visit, given)
        return _form(visit, given, known, suggested)
    tags = (*tags_of(form.text("tags")), *form.texts("tag"))
    new = NewLink(
        url=form.text("url"),
        title=form.text("title"),
        note=form.text("note") if form.flag("note") else UNSET,
        tags=tags,
        private=form.flag("private"),
        to_read=form.flag("to_read"),
    )
    try:
        link, is_new = await visit.links.save(new)
    except (Unauthenticated, Unavailable):
        raise
    except Problem as error:
        return _form(visit, given | {"tags": " ".join(tags)}, None, [], said(error), error.status)
    if form.flag("popup"):
        return visit.render("save/saved.html", link=link, is_new=is_new)
    return visit.redirect(
        local_path(form.text("back")), "Saved." if is_new else "You had this link: it is updated."
    )


ROUTES = [page("/save", get=save_form, post=save)]

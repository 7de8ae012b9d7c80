"""RSS and Atom: somebody's public links, one's own links and news."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from services.kit.errors import NotFound
from services.links.client import Link, LinkQuery
from services.web import rendering
from services.web.news import NewsItem
from services.web.page import page
from services.web.rendering import query
from services.web.visit import Visit

ENTRIES = 40
TYPES = {"atom": "application/atom+xml; charset=utf-8", "rss": "application/rss+xml; charset=utf-8"}
# A feed of everybody's is the same for everybody; readers ask every few minutes at most.
PUBLIC_FOR = "public, max-age=300"
BEFORE_ALL = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Entry:
    """One entry, for both formats; `id` stays the same whatever is edited."""

    id: str
    url: str
    title: str
    text: str
    author: str
    tags: list[str]
    published_at: dt.datetime
    updated_at: dt.datetime


async def settings(visit: Visit) -> Response:
    """The addresses of one's feeds."""
    # They are secrets: not for a sign-in that has ended.
    await visit.secret_token()
    key = await visit.deps.private_feeds.key(visit.user.user_id)
    return visit.render("account/feeds.html", key=key)


async def change(visit: Visit) -> Response:
    """New addresses for the private ones, or none any more."""
    token = await visit.secret_token()
    if visit.form.text("action") == "end":
        await visit.deps.private_feeds.end(token, visit.user.user_id)
        return visit.redirect("/account/feeds", "There are no private feeds any more.")
    await visit.deps.private_feeds.renew(token, visit.user.user_id, visit.user.username)
    return visit.redirect("/account/feeds", "Your private feeds have new addresses.")


async def public(visit: Visit) -> Response:
    """Somebody's public links, of one tag if the address says so."""
    parameters = visit.request.path_params
    tag: str = parameters.get("tag", "")
    person = await visit.deps.public.person(parameters["username"])
    found = await visit.deps.public.links(person.user_id, tag=tag, limit=ENTRIES)
    about = f"links of {person.username} tagged {tag}" if tag else f"links of {person.username}"
    entries = [_of_link(visit, link, person.username) for link in found.items]
    address = query(f"{visit.origin}/people/{person.username}", tag=tag)
    response = _feed(visit, f"Delinkcious: {about}", address, entries)
    response.headers["cache-control"] = PUBLIC_FOR
    return response


async def private(visit: Visit) -> Response:
    """One's own links or news, for whoever knows the address."""
    parameters = visit.request.path_params
    feed, token = await visit.deps.private_feeds.reader(parameters["key"])
    name = feed.username
    if parameters["what"] == "news":
        found = await visit.deps.news.page(token.reveal(), limit=ENTRIES)
        news = [_of_news(visit, item) for item in found.items]
        return _feed(visit, f"Delinkcious: news for {name}", f"{visit.origin}/news", news)
    if parameters["what"] not in ("links", "unread"):
        raise NotFound("no such feed")

    async def reading() -> str:
        return token.reveal()

    unread = True if parameters["what"] == "unread" else None
    links = await visit.deps.links(reading).page(LinkQuery(limit=ENTRIES, to_read=unread))
    about = "unread links" if unread else "all links"
    entries = [_of_link(visit, link, name) for link in links.items]
    return _feed(visit, f"Delinkcious: {about} of {name}", f"{visit.origin}/links", entries)


def _feed(visit: Visit, title: str, address: str, entries: Sequence[Entry]) -> Response:
    kind = visit.request.path_params["kind"]
    if kind not in TYPES:
        raise NotFound("feeds are .atom or .rss")
    text = rendering.render(
        f"feeds/{kind}.xml",
        title=title,
        address=address,
        own_address=f"{visit.origin}{visit.request.url.path}",
        updated_at=max((entry.updated_at for entry in entries), default=BEFORE_ALL),
        entries=entries,
    )
    return Response(_printable(text), headers={"content-type": TYPES[kind]})


def _printable(text: str) -> str:
    """Without the control characters that no XML may hold."""
    return "".join(
        character
        for character in text
        if character in "\t\n\r"
        or "\x20" <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
    )


def _of_link(visit: Visit, link: Link, author: str) -> Entry:
    return Entry(
        id=f"{visit.origin}/links/{link.id}",
        url=link.url,
        title=link.title or link.url,
        text=link.note,
        author=author,
        tags=link.tags,
        published_at=link.created_at,
        updated_at=link.updated_at,
    )


def _of_news(visit: Visit, item: NewsItem) -> Entry:
    return Entry(
        id=f"{visit.origin}/links/{item.link_id}",
        url=item.url,
        title=item.title or item.url,
        text=item.note,
        author=item.username,
        tags=item.tags,
        published_at=item.saved_at,
        updated_at=item.saved_at,
    )


ROUTES = [
    page("/account/feeds", get=settings, post=change),
    page("/feeds/people/{username}/links.{kind}", get=public, public=True),
    page("/feeds/people/{username}/tags/{tag:path}/links.{kind}", get=public, public=True),
    page("/feeds/private/{key}/{what}.{kind}", get=private, public=True),
]

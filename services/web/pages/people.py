"""People: what they have made public, whom one follows, whom one would rather not meet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar
from urllib.parse import quote

from starlette.responses import Response

from services.kit.errors import BadRequest, NotFound, Problem, Unauthenticated
from services.social_graph.client import ListQuery, Person
from services.web.failures import said
from services.web.page import page
from services.web.rendering import query
from services.web.visit import Visit, local_path

PAGE_PEOPLE = 50
PAGE_LINKS = 20
SUGGESTED = 8
AWAY = "People cannot be shown at the moment. Try again soon."
NAMES = {
    "follow": "You follow {}. What is saved there from now on is news to you.",
    "unfollow": "You do not follow {} any more.",
    "block": "{} is blocked: neither of you follows the other.",
    "unblock": "{} is not blocked any more.",
}

T = TypeVar("T")


async def index(visit: Visit) -> Response:
    """Whom one follows, who follows, and whom one may like."""
    if name := visit.query.text("name"):
        return visit.redirect(f"/people/{quote(name.lower().lstrip('@'), safe='')}")
    kind = visit.query.text("list") if visit.query.text("list") in ("followers", "blocks") else "following"
    cursor = visit.query.text("cursor") or None
    listed, suggested = await asyncio.gather(
        _or_away(getattr(visit.people, kind)(ListQuery(limit=PAGE_PEOPLE, cursor=cursor))),
        _or_away(visit.people.suggestions(SUGGESTED)),
    )
    return visit.render(
        "people/index.html",
        kind=kind,
        listed=listed.items if listed else [],
        next=listed and listed.next and query("/people", list=kind, cursor=listed.next),
        suggested=suggested or [],
        away="" if listed else AWAY,
    )


async def profile(visit: Visit) -> Response:
    """Somebody's public links; who is signed in may follow."""
    name: str = visit.request.path_params["username"]
    person = await visit.deps.public.person(name)
    tag = visit.query.text("tag")
    between, links = await asyncio.gather(
        _or_away(_between(visit, person.username)),
        visit.deps.public.links(
            person.user_id, tag=tag, cursor=visit.query.text("cursor") or None, limit=PAGE_LINKS
        ),
    )
    return visit.render(
        "people/profile.html",
        person=person,
        between=between,
        is_me=visit.session is not None and visit.session.user_id == person.user_id,
        away=AWAY if between is None and visit.session is not None else "",
        links=links.items,
        tag=tag,
        next=links.next and query(f"/people/{person.username}", tag=tag, cursor=links.next),
    )


async def _between(visit: Visit, username: str) -> Person | None:
    return None if visit.session is None else await visit.people.person(username)


async def _or_away(work: Awaitable[T]) -> T | None:
    """None while the social graph is away."""
    try:
        return await work
    except (Unauthenticated, BadRequest):
        raise
    except Problem:
        return None


async def change(visit: Visit) -> Response:
    """Follow, unfollow, block, unblock."""
    name: str = visit.request.path_params["username"]
    action = visit.form.text("action")
    back = local_path(visit.form.text("back"), f"/people/{name}")
    if action not in NAMES:
        raise BadRequest("choose what to do")
    try:
        await getattr(visit.people, action)(name)
    except (Unauthenticated, NotFound):
        raise
    except Problem as error:
        return visit.redirect(back, said(error))
    return visit.redirect(back, NAMES[action].format(name))


ROUTES = [
    page("/people", get=index),
    page("/people/{username}", get=profile, public=True),
    page("/people/{username}/change", post=change),
]

"""Links that died, and what to do about them."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from services.kit.errors import Conflict, NotFound, PreconditionFailed, Unprocessable
from services.links.client import Link, LinkChange, LinkQuery
from services.web.page import page
from services.web.rendering import count, query
from services.web.visit import Visit

PAGE_LINKS = 50
ADDRESS = "/dead-links"


async def index(visit: Visit) -> Response:
    """The dead ones, each with the address that may take its place."""
    asked = LinkQuery(health="dead", limit=PAGE_LINKS, cursor=visit.query.text("cursor") or None)
    counts, found = await asyncio.gather(visit.links.counts(), visit.links.page(asked))
    alive = [] if counts.dead else (await visit.links.page(LinkQuery(health="alive", limit=1))).items
    return visit.render(
        "health.html",
        counts=counts,
        checked=bool(counts.dead or alive),
        links=found.items,
        next=found.next and query(ADDRESS, cursor=found.next),
        replaceable=[link.id for link in found.items if link.suggested_url],
    )


async def replace(visit: Visit) -> Response:
    """Give the ticked links the addresses that were suggested for them."""
    ids = visit.form.numbers("id")
    if not ids:
        return visit.redirect(ADDRESS, "No link is ticked.")
    done = [await _replaced(visit, link_id) for link_id in ids[:PAGE_LINKS]]
    notice = f"{count(done.count(True), 'link has', 'links have')} a new address."
    if not all(done):
        notice += f" {count(done.count(False), 'link')} could not be changed: it is gone, or you have both."
    return visit.redirect(ADDRESS, notice)


async def _replaced(visit: Visit, link_id: int) -> bool:
    try:
        link: Link = await visit.links.get(link_id)
        if not link.suggested_url:
            return False
        await visit.links.edit(link_id, LinkChange(url=link.suggested_url), version=link.version)
    except (NotFound, Conflict, PreconditionFailed, Unprocessable):
        return False
    return True


ROUTES = [page(ADDRESS, get=index, post=replace)]

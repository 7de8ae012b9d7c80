"""The request that searches: parse the language, run it, say where it went wrong."""

from __future__ import annotations

import datetime as dt

from services.kit import page
from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import BadRequest, TooManyRequests, Unprocessable
from services.kit.page import Page
from services.links.api import Deps
from services.links.search import language
from services.links.search.results import Hit, Position, SearchOrder, SearchQuery
from services.links.search.store import SearchTooSlow, default_order, digest
from services.links.search.tree import Node


class MalformedSearch(Unprocessable):
    """`q` is not of the search language: `detail` says why, `position` and `length` (code points) where."""

    title = "Malformed search"


async def search_links(deps: Deps, principal: Principal, query: SearchQuery) -> Page[Hit]:
    """The caller's links that match `q`, best or newest first.

    `q` takes words (all must match), `"exact phrases"`, beginnings (`pyth*`), `or`, `-` or `not`,
    parentheses, and `tag:` `site:` `url:` `title:` `note:` `before:` `after:` `on:` `is:`. By relevance, a
    page may hold fewer links than `limit` while `next` leads on.
    """
    node = parsed(query.q)
    order = query.order or default_order(node)
    after = None if query.cursor is None else position_in(query.cursor, order, node)
    async with deps.costly.of(principal.user_id):
        hits, end = await deps.search.page(
            principal.user_id, node, order, after, query.limit, dt.datetime.now(dt.UTC)
        )
    return Page(items=hits, next=None if end is None else page.encode(end))


def parsed(text: str) -> Node:
    """The tree of a query; raises MalformedSearch."""
    try:
        return language.parse(text)
    except language.InvalidQuery as error:
        raise MalformedSearch(
            error.message, parameter="q", position=error.position, length=error.length
        ) from error


def position_in(cursor: str, order: SearchOrder, node: Node) -> Position:
    """Where a cursor points to; raises BadRequest for one of another query or order."""
    position = page.decode(Position, cursor)
    if position.order != order or position.digest != digest(node):
        raise BadRequest("`cursor` belongs to another search", parameter="cursor")
    return position


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/links/search",
        handler=search_links,
        access=Access.READ,
        raises=(MalformedSearch, SearchTooSlow, TooManyRequests),
        tag="links",
    ),
)

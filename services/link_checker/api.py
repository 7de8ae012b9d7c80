"""What other services ask the checker, or tell it: a page's title and description; older links."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.endpoint import Access, Endpoint
from services.kit.errors import TooManyRequests
from services.link_checker.backfill import Backfill
from services.link_checker.domain import OlderLinks, PageInfo, PageRequest, Progress
from services.link_checker.pages import NoPage, Pages

BODY_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True)
class Deps:
    pages: Pages
    backfill: Backfill


async def fetch_page(deps: Deps, body: PageRequest) -> PageInfo:
    """The page at an address as it describes itself; nothing is kept."""
    return await deps.pages.fetch(body.url)


async def backfill(deps: Deps) -> Progress:
    """How far the links of before this service listened are told."""
    return await deps.backfill.store.progress()


async def take_older_links(deps: Deps, body: OlderLinks) -> Progress:
    """Follow these links, too; answers from where on the next ones are wanted."""
    return await deps.backfill.take(body)


async def restart_backfill(deps: Deps) -> None:
    """Want to be told of all links again."""
    await deps.backfill.store.restart()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/internal/v1/pages",
        handler=fetch_page,
        access=Access.INTERNAL,
        raises=(NoPage, TooManyRequests),
        body_limit_bytes=BODY_LIMIT_BYTES,
        # It changes nothing here, and must not hold a transaction while somebody's server thinks.
        idempotent=False,
    ),
    Endpoint(method="GET", path="/internal/v1/backfill", handler=backfill, access=Access.INTERNAL),
    Endpoint(
        method="POST",
        path="/internal/v1/backfill",
        handler=take_older_links,
        access=Access.INTERNAL,
        # A page that comes again changes nothing; each of its links is a transaction of its own.
        idempotent=False,
    ),
    Endpoint(
        method="DELETE",
        path="/internal/v1/backfill",
        handler=restart_backfill,
        access=Access.INTERNAL,
        status=204,
    ),
)

"""What other services ask the checker: a page's title and description, from where nothing private is near."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.endpoint import Access, Endpoint
from services.kit.errors import TooManyRequests
from services.link_checker.domain import PageInfo, PageRequest
from services.link_checker.pages import NoPage, Pages

BODY_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True)
class Deps:
    pages: Pages


async def fetch_page(deps: Deps, body: PageRequest) -> PageInfo:
    """The page at an address as it describes itself; nothing is kept."""
    return await deps.pages.fetch(body.url)


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
)

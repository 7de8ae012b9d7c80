"""The pages, one module per group; `ROUTES` is all of them in the order in which they are matched."""

from __future__ import annotations

from starlette.routing import BaseRoute

from services.web import assets
from services.web.pages import (
    account,
    bulk,
    docs,
    entrance,
    feeds,
    files,
    health,
    identities,
    links,
    news,
    nothing,
    people,
    providers,
    saving,
    tags,
)

ROUTES: list[BaseRoute] = [
    assets.ROUTE,
    *entrance.ROUTES,
    *providers.ROUTES,
    *identities.ROUTES,
    *bulk.ROUTES,
    *links.ROUTES,
    *saving.ROUTES,
    *tags.ROUTES,
    *people.ROUTES,
    *news.ROUTES,
    *health.ROUTES,
    *files.ROUTES,
    *account.ROUTES,
    *feeds.ROUTES,
    *docs.ROUTES,
    *nothing.ROUTES,
]

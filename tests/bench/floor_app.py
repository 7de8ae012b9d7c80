"""The floor of a service in Python: starlette alone, served as the kit serves, answering a page of links.

`/fixed` has the page as bytes, `/encoded` makes them out of structs for each request.
"""

from __future__ import annotations

import datetime as dt

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.kit import run
from services.kit.app import create_app
from services.kit.page import Page
from services.kit.resources import Resources
from services.kit.settings import ServiceSettings
from services.links.domain import Link

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ITEMS = 20


def page() -> Page[Link]:
    """As large as the page that a list of the benchmarks' account has."""
    links = [
        Link(
            id=1_000 + number,
            owner_id=100,
            url=f"https://example.org/{number}",
            title=f"Page {number}",
            note="",
            tags=["bench"],
            private=False,
            to_read=False,
            health="unknown",
            health_reason="",
            suggested_url=None,
            checked_at=None,
            created_at=NOW.replace(microsecond=number + 100_000),
            updated_at=NOW.replace(microsecond=number + 100_000),
            version=1,
        )
        for number in range(ITEMS)
    ]
    return Page(items=links, next="ktf_AAAAAGkAAAAAA-g")


def create(settings: ServiceSettings) -> Starlette:
    found = page()
    body = msgspec.json.encode(found)

    async def fixed(_: Request) -> Response:
        return Response(body, media_type="application/json")

    async def encoded(_: Request) -> Response:
        return Response(msgspec.json.encode(found), media_type="application/json")

    async def open_nothing(_: Resources) -> None:
        return None

    # The kit's own application is not served: it is here for what the kit's server needs to run.
    kit = create_app(service="floor", version="1", endpoints=(), open_deps=open_nothing, settings=settings)
    app = Starlette(routes=[Route("/fixed", fixed), Route("/encoded", encoded)])
    app.state.kit = kit.state.kit
    return app


if __name__ == "__main__":
    run.main("tests.bench.floor_app", ServiceSettings, create)

"""The console composed: its pages, and what stands before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware

from mesh.console import assets
from mesh.console.deps import open_deps
from mesh.console.guard import Guard
from mesh.console.page import not_found, page
from mesh.console.pages import alerts, canary, config, logs, topology, traces
from mesh.console.settings import Settings


def create(settings: Settings) -> Starlette:
    """The ASGI application."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_deps(settings) as deps:
            app.state.deps = deps
            yield

    return Starlette(
        routes=[
            page("/", topology.show),
            page("/live", topology.live),
            page("/traces/", traces.search),
            page("/traces/{trace_id}", traces.one),
            page("/logs/", logs.show),
            page("/alerts/", alerts.show),
            page("/alerts/live", alerts.live),
            page("/alerts/runbooks/{name}", alerts.runbook),
            page("/canary/", canary.show),
            page("/canary/live", canary.live),
            page("/canary/runs/{run}", canary.one),
            page("/canary/runs/{run}/live", canary.one_live),
            page("/config/", config.show),
            assets.ROUTE,
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={404: not_found},
        lifespan=lifespan,
    )

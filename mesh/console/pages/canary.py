"""Rollouts: all runs, and each as plots, words and events; what others do to them shows by itself."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import Response

from mesh.console.errors import Unshown
from mesh.console.page import Visit
from mesh.console.rendering import render

LOOK_EVERY_S = 1.0

Draw = Callable[[], Awaitable[str]]


async def show(visit: Visit) -> Response:
    html = await visit.deps.rollouts.runs()
    return visit.render("canary.html", html=html, mark=_mark(html))


async def live(visit: Visit) -> Response:
    """The list anew whenever it is another than the one that the page has (`after`)."""
    return _followed(visit, visit.deps.rollouts.runs)


async def one(visit: Visit) -> Response:
    name = visit.request.path_params["run"]
    html = await visit.deps.rollouts.run(name)
    return visit.render("rollout.html", name=name, html=html, mark=_mark(html))


async def one_live(visit: Visit) -> Response:
    name = visit.request.path_params["run"]
    return _followed(visit, lambda: visit.deps.rollouts.run(name))


def _followed(visit: Visit, draw: Draw) -> Response:
    return visit.deps.streams.response(visit.request, _changes(draw, visit.text("after")))


async def _changes(draw: Draw, shown: str) -> AsyncIterator[str]:
    while True:
        try:
            html = await draw()
        except Unshown as error:
            html = render("parts/away.html", sentence=str(error))
        if _mark(html) != shown:
            shown = _mark(html)
            yield html
        await asyncio.sleep(LOOK_EVERY_S)


def _mark(html: str) -> str:
    """Tells one picture from another."""
    return hashlib.sha256(html.encode()).hexdigest()[:16]

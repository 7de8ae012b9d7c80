"""Alerts of Prometheus, those that fire first, each with its runbook."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
from starlette.responses import Response

from mesh.console import alerting, runbooks
from mesh.console.alerting import Rule
from mesh.console.errors import Away, NotThere, Unshown
from mesh.console.page import Visit
from mesh.console.rendering import render
from mesh.console.settings import PROMETHEUS

TIMEOUT = aiohttp.ClientTimeout(total=5)
# Prometheus itself looks at the rules of the local mesh no more often.
LOOK_EVERY_S = 5.0


async def show(visit: Visit) -> Response:
    html = _drawn(await _rules(visit))
    return visit.render("alerts.html", html=html, mark=_mark(html))


async def live(visit: Visit) -> Response:
    """The list anew whenever it is another than the one that the page has (`after`)."""
    return visit.deps.streams.response(visit.request, _lists(visit, visit.text("after")))


async def runbook(visit: Visit) -> Response:
    # Runbooks name each other as files.
    name = visit.request.path_params["name"].removesuffix(".md")
    if name not in runbooks.names():
        raise NotThere(f"There is no runbook {name}.")
    return visit.render("runbook.html", name=name, html=runbooks.html(name))


async def _lists(visit: Visit, shown: str) -> AsyncIterator[str]:
    while True:
        try:
            html = _drawn(await _rules(visit))
        except Unshown as error:
            html = render("parts/away.html", sentence=str(error))
        if _mark(html) != shown:
            shown = _mark(html)
            yield html
        await asyncio.sleep(LOOK_EVERY_S)


def _drawn(rules: list[Rule]) -> str:
    return render(
        "parts/alerts.html",
        active=alerting.active(rules),
        quiet=alerting.quiet(rules),
        counts={state: sum(rule.state == state for rule in rules) for state in alerting.STATES},
        runbooks=runbooks.names(),
    )


def _mark(html: str) -> str:
    """Tells one list from another."""
    return hashlib.sha256(html.encode()).hexdigest()[:16]


async def _rules(visit: Visit) -> list[Rule]:
    """Every alerting rule. Raises Away."""
    base = await visit.deps.tools.url(PROMETHEUS)
    query: dict[str, Any] = {"type": "alert"}
    try:
        url = f"{base}/api/v1/rules"
        async with visit.deps.session.get(url, params=query, timeout=TIMEOUT) as answer:
            body = await answer.read()
        found = msgspec.json.decode(body, type=alerting.Rules)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Away("Prometheus does not answer.") from error
    except msgspec.MsgspecError as error:
        raise Away("Prometheus did not answer as it should.") from error
    return [rule for group in found.data.groups for rule in group.rules]

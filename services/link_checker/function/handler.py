"""The handler of the Nuclio function: one address in, what one check of it found out.

A body is `{"url": "https://..."}`, or the CloudEvent of a saved link. One check never calls a link dead:
`health` is `alive` or `unknown`, and `reason` says what was found.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from services.link_checker.domain import Finding, Outcome, snapshot
from services.link_checker.fetching.addresses import Guard
from services.link_checker.fetching.fetcher import Fetcher
from services.link_checker.fetching.resolver import SystemResolver
from services.link_checker.fetching.robots import Robots
from services.link_checker.fetching.turns import Turns
from services.link_checker.fetching.visits import VISIT_S, Visits

T = TypeVar("T")

JSON = "application/json"
MAX_BODY_BYTES = 64 * 1024


class Context(Protocol):
    """What is used of Nuclio's context."""

    logger: Any
    user_data: Any
    Response: Any


class Event(Protocol):
    """What is used of Nuclio's event: `body` is bytes, text, or JSON that the platform has decoded."""

    body: Any


class Order(msgspec.Struct, frozen=True):
    """What is asked; `data` when it is a CloudEvent."""

    url: str | None = None
    data: Order | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered."""

    url: str
    health: str
    reason: str
    status: int | None
    checked_at: dt.datetime
    suggested_url: str | None
    snapshot_url: str
    title: str | None
    description: str | None


class Checker:
    """Visits on an event loop of their own, since a handler may be called from within another one."""

    def __init__(self, guard: Guard) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="checker", daemon=True).start()
        self._visits = self._run(self._open(guard))

    def check(self, url: str) -> Outcome:
        return self._run(self._visits.check(url, with_page=True))

    async def _open(self, guard: Guard) -> Visits:
        fetcher = Fetcher(guard, SystemResolver())
        return Visits(fetcher, Robots(fetcher, time.monotonic), Turns(), time.time)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(VISIT_S + 5)


def init_context(context: Context, guard: Guard | None = None) -> None:
    """Called once for each worker, before its first event."""
    context.user_data.checker = Checker(guard or Guard())
    context.logger.info("link checker ready")


def handler(context: Context, event: Event) -> Any:
    """Called for each event; answers 200 with what was found, or 400."""
    try:
        url = _url(event.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _response(context, {"error": str(error)[:200]}, 400)
    outcome = context.user_data.checker.check(url)
    context.logger.info_with("checked", finding=outcome.finding.value or "answered", status=outcome.status)
    found = Found(
        url=url,
        health="alive" if outcome.finding is Finding.ANSWERED else "unknown",
        reason=outcome.finding.value,
        status=outcome.status,
        checked_at=dt.datetime.now(dt.UTC),
        suggested_url=outcome.suggested_url,
        snapshot_url=snapshot(url),
        title=outcome.title,
        description=outcome.description,
    )
    return _response(context, found, 200)


def _url(body: Any) -> str:
    """The address to check. Raises ValueError or a MsgspecError."""
    if isinstance(body, bytes | str):
        if len(body) > MAX_BODY_BYTES:
            raise ValueError("the body is too long")
        order = msgspec.json.decode(body, type=Order)
    elif isinstance(body, Mapping):
        order = msgspec.convert(body, Order)
    else:
        raise ValueError("the body is no JSON object")
    url = order.url or (order.data.url if order.data else None)
    if not url:
        raise ValueError("the body has no `url`")
    return url


def _response(context: Context, value: object, status: int) -> Any:
    body = msgspec.json.encode(value).decode()
    return context.Response(body=body, headers={}, content_type=JSON, status_code=status)

"""The pages with all that they ask behind them: real users and links, and stand-ins for what only answers."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.kit.settings import Secret, ServiceSettings
from services.links.app import create as create_links
from services.links.settings import LinksSettings
from services.users.app import create as create_users
from services.users.settings import UsersSettings
from services.web.app import create as create_web
from services.web.settings import WebSettings
from tests.access_tokens import AUDIENCE, ISSUER
from tests.conftest import MigratedDatabase

SERVICE_TOKEN = "between services"
COOKIE_KEY = "a key that is long enough for all there is to sign"
# A busy machine is not what these tests are about: there, many at once wait longer than users would.
PATIENT: dict[str, Any] = {"database_acquire_timeout_s": 10.0, "queue_timeout_s": 10.0}
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@dataclass
class Stand:
    """The social graph and the page reader as the contracts have them; a test says what they know."""

    away: bool = False
    following: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    followers: list[str] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/v1/people/{name}", self._person),
                Route("/api/v1/following", self._list),
                Route("/api/v1/followers", self._list),
                Route("/api/v1/blocks", self._list),
                Route("/api/v1/suggestions", self._list),
                Route("/api/v1/following/{name}", self._change, methods=["PUT", "DELETE"]),
                Route("/api/v1/blocks/{name}", self._change, methods=["PUT", "DELETE"]),
                Route("/internal/v1/pages", self._page, methods=["POST"]),
            ]
        )

    def _refusal(self) -> Response | None:
        return JSONResponse({"detail": "away"}, 503) if self.away else None

    async def _person(self, request: Request) -> Response:
        name = request.path_params["name"]
        known = {
            "user_id": 1,
            "username": name,
            "followers": 3,
            "following": 2,
            "you_follow": name in self.following,
            "follows_you": name in self.followers,
            "blocked": name in self.blocked,
        }
        return self._refusal() or JSONResponse(known)

    async def _list(self, request: Request) -> Response:
        names = getattr(self, request.url.path.rpartition("/")[2].replace("blocks", "blocked"))
        items = [
            {"user_id": number, "username": name, "since": NOW.isoformat(), "followed_by": 2}
            for number, name in enumerate(sorted(names), 1)
        ]
        return self._refusal() or JSONResponse({"items": items, "next": None})

    async def _change(self, request: Request) -> Response:
        names = self.blocked if "/blocks/" in request.url.path else self.following
        name = request.path_params["name"]
        if self.away:
            return JSONResponse({"detail": "away"}, 503)
        (names.add if request.method == "PUT" else names.discard)(name)
        return Response(status_code=204)

    async def _page(self, request: Request) -> Response:
        assert request.headers["x-service-token"] == SERVICE_TOKEN
        url = (await request.json())["url"]
        if self.away or url not in self.titles:
            return JSONResponse({"detail": "cannot be read"}, 503 if self.away else 422)
        return JSONResponse({"url": url, "title": self.titles[url], "description": None, "image": None})


@dataclass
class Stack:
    """All of it: `web` is the application, `stand` what is not real; the others listen on loopback."""

    web: Starlette
    users: Starlette
    links: Starlette
    stand: Stand
    switched_off: set[str]


@asynccontextmanager
async def running(
    migrated_database: MigratedDatabase, *, max_links: int = 200_000, spans_to: str = "", **accounts: Any
) -> AsyncIterator[Stack]:
    """The whole stack, and its end; `accounts` are settings of the users service.

    `spans_to`: an OTLP endpoint that gets the spans of all requests.
    """
    shared: dict[str, Any] = {
        "otel_exporter_otlp_endpoint": spans_to,
        "trace_ratio": 1.0 if spans_to else 0.0,
        **PATIENT,
    }
    async with AsyncExitStack() as stack:
        off: set[str] = set()
        users_socket, jwks_socket, links_socket, stand_socket = (_listener() for _ in range(4))
        jwks_url = f"{_url(jwks_socket)}/.well-known/jwks.json"
        users = create_users(
            UsersSettings(
                database_url=Secret(await migrated_database("services.users")),
                issuer=ISSUER,
                audience=AUDIENCE,
                key_encryption_key=Secret(base64.b64encode(secrets.token_bytes(32)).decode()),
                service_token=Secret(SERVICE_TOKEN),
                sign_up_burst=1_000,
                **shared,
                **accounts,
            )
        )
        links = create_links(
            LinksSettings(
                database_url=Secret(await migrated_database("services.links")),
                service_token=Secret(SERVICE_TOKEN),
                max_links_per_user=max_links,
                jwks_url=jwks_url,
                issuer=ISSUER,
                audience=AUDIENCE,
                **shared,
            )
        )
        stand = Stand()
        web = create_web(
            WebSettings(
                database_url=Secret(await migrated_database("services.web")),
                service_token=Secret(SERVICE_TOKEN),
                cookie_key=Secret(COOKIE_KEY),
                news_address="127.0.0.1:1",
                users_url=_url(users_socket),
                links_url=_url(links_socket),
                social_graph_url=_url(stand_socket),
                link_checker_url=_url(stand_socket),
                jwks_url=jwks_url,
                issuer=ISSUER,
                audience=AUDIENCE,
                **shared,
            )
        )
        served = {
            "users": (users, users_socket),
            "jwks": (users.state.kit.listeners[8081], jwks_socket),
            "links": (links, links_socket),
            "stand": (stand.app(), stand_socket),
        }
        await stack.enter_async_context(users.router.lifespan_context(users))
        await stack.enter_async_context(links.router.lifespan_context(links))
        for name, (app, listener) in served.items():
            await stack.enter_async_context(serving(_switched(app, name, off), listener))
        await stack.enter_async_context(web.router.lifespan_context(web))
        yield Stack(web, users, links, stand, off)


def _listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _switched(app: ASGIApp, name: str, off: set[str]) -> ASGIApp:
    """`app`, or 503 as a sidecar without a peer answers, while its name is in `off`."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if name in off:
            await Response("no healthy upstream", 503)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answer


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """`app` on a socket that is bound already."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            ws="none",
            loop="none",
            log_config=None,
            # As the services themselves: no request meets a connection that is just closing.
            timeout_keep_alive=ServiceSettings().keep_alive_s,
        )
    )
    # No signal handling: the test's process keeps its own.
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await task

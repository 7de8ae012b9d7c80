"""Providers that publish nonsense, lie, hang or are away: whose fault that is, and what it may cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from services.kit.errors import FailedDependency
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.oidc.directory import FAILURE_KEPT_S
from services.users.oidc.http import MAX_ANSWER_BYTES, open_provider_http
from tests.identity_provider import IdentityProvider
from tests.integration.users.conftest import Clock
from tests.integration.users.oidc.conftest import Browser

pytestmark = pytest.mark.anyio


WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(status_code=500),
        lambda: Response(status_code=404),
        lambda: Response("<html>"),
        lambda: Response("[" * 100_000),
        lambda: JSONResponse([]),
        lambda: JSONResponse({"issuer": "x"}),
        lambda: RedirectResponse("http://127.0.0.1:1/"),
        lambda: Response("x" * (MAX_ANSWER_BYTES + 1)),
        lambda: Response(b"\xff\xfe"),
    ],
)
async def test_a_provider_that_publishes_nonsense_is_a_bad_gateway(
    users: UsersClient, provider: IdentityProvider, answer: Callable[[], Response]
) -> None:
    provider.instead[WELL_KNOWN] = answer
    with pytest.raises(FailedDependency):
        await users.begin_sign_in("acme")


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://169.254.169.254/latest"},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": "https://user:password@acme.example/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": "http://internal/"},
        {"code_challenge_methods_supported": ["plain"]},
        {"response_types_supported": ["id_token"]},
    ],
    ids=str,
)
async def test_a_provider_that_cannot_be_trusted_is_a_bad_gateway(
    users: UsersClient, provider: IdentityProvider, lie: dict[str, Any]
) -> None:
    provider.metadata = lie
    with pytest.raises(FailedDependency):
        await users.begin_sign_in("acme")
    assert await users.begin_sign_in("globex")


async def test_a_provider_that_is_down_or_hangs_is_unavailable_and_not_asked_again_at_once(
    users: UsersClient, deps: Deps, provider: IdentityProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = deps.relying_party._directories["acme"]
    provider.instead[WELL_KNOWN] = hang
    monkeypatch.setattr(directory._http, "_timeout_s", 0.2)
    for _ in range(3):
        with pytest.raises(FailedDependency, match="did not answer in time"):
            await users.begin_sign_in("acme")
    assert provider.asked in ([WELL_KNOWN], [])
    monkeypatch.undo()
    provider.instead.clear()
    clock.advance(seconds=FAILURE_KEPT_S + 1)
    assert await users.begin_sign_in("acme")


def hang() -> Response:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    return StreamingResponse(never())


async def test_a_provider_that_cannot_be_reached_is_unavailable(free_port: Callable[[], int]) -> None:
    async with open_provider_http() as http:
        with pytest.raises(FailedDependency, match="cannot be reached"):
            await http.ask("GET", f"http://127.0.0.1:{free_port()}/")


async def test_a_provider_that_hangs_holds_a_few_places_only(
    provider: IdentityProvider, other_provider: IdentityProvider
) -> None:
    provider.instead["/jwks"] = hang
    async with open_provider_http() as http:
        places = http._places
        waiting = [asyncio.create_task(http.ask("GET", f"{provider.issuer}/jwks")) for _ in range(places)]
        while http._busy.total() < places:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)
        with pytest.raises(FailedDependency, match="many sign-ins"):
            await http.ask("GET", f"{provider.issuer}/jwks")
        assert (await http.ask("GET", f"{other_provider.issuer}/jwks")).status == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert http._busy.total() == 0


@pytest.mark.parametrize("path", ["/token", "/jwks", "/userinfo"])
@pytest.mark.parametrize("answer", [lambda: Response(status_code=503), lambda: Response("x" * 10**6)])
async def test_a_provider_that_breaks_later_is_a_bad_gateway_and_the_next_sign_in_works(
    browser: Browser, provider: IdentityProvider, clock: Clock, path: str, answer: Callable[[], Response]
) -> None:
    provider.email_in_token = False
    provider.instead[path] = answer
    with pytest.raises(FailedDependency):
        await browser.sign_in()
    del provider.instead[path]
    clock.advance(seconds=FAILURE_KEPT_S + 1)
    assert await browser.prove()

"""Signing in with an identity provider in a real browser: its policies let it go there and come back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.browser.conftest import Screen
from tests.identity_provider import CLIENT_ID, IdentityProvider, configured, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with running("acme") as provider:
        provider.person = {"sub": "person-1", "email": "ada@acme.example", "email_verified": True}
        yield provider


@pytest.fixture
def accounts(provider: IdentityProvider, listener: socket.socket) -> dict[str, Any]:
    url = f"http://localhost:{listener.getsockname()[1]}/sign-in/{{provider}}/callback"
    client = provider.clients[CLIENT_ID]
    provider.clients[CLIENT_ID] = replace(client, redirect_uris=(url.replace("{provider}", "acme"),))
    return configured(provider, redirect_url=url)


async def test_the_pages_of_a_sign_in_elsewhere(screen: Screen) -> None:
    page = screen.page
    await screen.open("/sign-in")
    await screen.check("sign-in-elsewhere")
    await page.get_by_role("button", name="Sign in with Acme").click()
    await page.get_by_role("heading", name="One more step").wait_for()
    await screen.check("new-identity")
    await page.get_by_label("Username", exact=True).fill("ada")
    await page.get_by_role("button", name="Make the account").click()
    await page.get_by_text("Welcome!").wait_for()
    for path, name in (
        ("/account", "account-without-password"),
        ("/account/delete", "delete-without-password"),
        ("/sign-in/acme/callback?code=a&state=b", "sign-in-expired"),
    ):
        await screen.open(path)
        await screen.check(name)

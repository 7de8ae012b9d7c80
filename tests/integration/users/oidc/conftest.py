"""The service with two real identity providers, and a browser that goes between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest

from services.users.client import UsersClient
from services.users.messages import Tokens
from services.users.oidc.messages import FinishSignIn, SignInFinished, UnknownIdentity
from tests.identity_provider import (
    IdentityProvider,
    answered,
    configured,
    running,
)


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with running("acme") as provider:
        provider.person = {
            "sub": "person-1",
            "email": "ada@acme.example",
            "email_verified": True,
            "preferred_username": "Ada.L",
        }
        yield provider


@pytest.fixture
def other_provider() -> Iterator[IdentityProvider]:
    with running("globex") as provider:
        provider.person = {"sub": "person-1"}
        yield provider


@pytest.fixture
def setting(provider: IdentityProvider, other_provider: IdentityProvider) -> dict[str, Any]:
    return configured(provider, other_provider)


@dataclass
class Browser:
    """Somebody who signs in with a provider."""

    users: UsersClient
    outside: httpx.AsyncClient

    async def visit(self, provider: str = "acme", **changed: Any) -> FinishSignIn:
        """Begin, agree at the provider, and come back with what it says; `changed` of it on the way."""
        begun = await self.users.begin_sign_in(provider)
        went = await self.outside.get(begun.authorization_url)
        assert went.status_code == 302, went.text
        said = answered(went.headers["location"])
        brought = FinishSignIn(transaction=begun.transaction, provider=provider, **said)
        return msgspec.structs.replace(brought, **changed)

    async def sign_in(self, provider: str = "acme") -> SignInFinished:
        return await self.users.finish_sign_in(await self.visit(provider))

    async def prove(self, provider: str = "acme") -> UnknownIdentity:
        """A ticket for an identity that no account has."""
        finished = await self.sign_in(provider)
        assert finished.linking is not None and finished.tokens is None
        return finished.linking

    async def make_account(self, username: str, provider: str = "acme") -> Tokens:
        return await self.users.sign_up_by_identity((await self.prove(provider)).ticket, username)


@pytest.fixture
async def browser(users: UsersClient) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient() as outside:
        yield Browser(users, outside)

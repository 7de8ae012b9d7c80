"""The users service as other programs use it: typed calls over the kit's HTTP client.

Raises the kit's Problems: Unauthenticated for wrong credentials and for a refresh token that is no longer
good, TooManyRequests when throttled, Conflict for a taken name.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TypeVar

from services.kit.http import HttpClient
from services.kit.page import Page
from services.kit.settings import Secret
from services.users.domain import ApiToken, NewApiToken, Session, User
from services.users.events import USER_DELETED, USER_REGISTERED, UserDeleted, UserRegistered
from services.users.messages import (
    Confirmation,
    CreatedApiToken,
    NewPassword,
    Refresh,
    SignIn,
    SignUp,
    Tokens,
)

__all__ = ["USER_DELETED", "USER_REGISTERED", "UserDeleted", "UserRegistered", "UsersClient"]

T = TypeVar("T")


@dataclass(frozen=True)
class UsersClient:
    """Calls to the service at `base_url`; `access_token` arguments say on whose behalf.

    A program that calls for somebody else passes that one's X-Forwarded-For on as it came, as
    `forwarded_for`: sign-ins and sign-ups are throttled by it.
    """

    http: HttpClient
    base_url: str = "http://users"

    async def sign_up(
        self, username: str, password: Secret, email: str | None = None, *, forwarded_for: str | None = None
    ) -> User:
        """Make an account; may be repeated, since it carries an Idempotency-Key."""
        body = SignUp(username=username, password=password, email=email)
        return await self._call("POST", "/users", User, body=body, headers=_once(forwarded_for))

    async def sign_in(self, username: str, password: Secret, *, forwarded_for: str | None = None) -> Tokens:
        body = SignIn(username=username, password=password)
        return await self._call("POST", "/sessions", Tokens, body=body, headers=_forwarded(forwarded_for))

    async def exchange_token(self, api_token: Secret) -> Tokens:
        """An access token with the scopes of a personal API token; there is no refresh token with it."""
        return await self._call("POST", "/sessions", Tokens, body=SignIn(api_token=api_token))

    async def refresh(self, refresh_token: Secret) -> Tokens:
        """The next tokens of a session. One caller at a time: a second use of a token ends the session.

        An answer that is lost on the way is asked for again with the same Idempotency-Key.
        """
        body = Refresh(refresh_token=refresh_token)
        return await self._call("POST", "/sessions/refresh", Tokens, body=body, headers=_once())

    async def sign_out(self, access_token: Secret) -> None:
        await self._call("DELETE", "/sessions/current", type(None), access_token, headers=_once())

    async def me(self, access_token: Secret) -> User:
        return await self._call("GET", "/users/me", User, access_token)

    async def change_password(
        self, access_token: Secret, current: Secret, new: Secret, *, revoke_api_tokens: bool = False
    ) -> None:
        """Change the password; every other session ends."""
        body = NewPassword(current_password=current, new_password=new, revoke_api_tokens=revoke_api_tokens)
        await self._call("PUT", "/users/me/password", type(None), access_token, body=body)

    async def delete_account(self, access_token: Secret, password: Secret) -> None:
        body = Confirmation(password=password)
        await self._call("DELETE", "/users/me", type(None), access_token, body=body)

    async def list_sessions(self, access_token: Secret) -> list[Session]:
        return (await self._call("GET", "/sessions", Page[Session], access_token)).items

    async def end_session(self, access_token: Secret, session_id: int) -> None:
        path = f"/sessions/{session_id}"
        await self._call("DELETE", path, type(None), access_token, headers=_once())

    async def create_token(self, access_token: Secret, new: NewApiToken) -> CreatedApiToken:
        """A personal API token; its text is in this answer only."""
        return await self._call("POST", "/tokens", CreatedApiToken, access_token, body=new, headers=_once())

    async def list_tokens(self, access_token: Secret) -> list[ApiToken]:
        return (await self._call("GET", "/tokens", Page[ApiToken], access_token)).items

    async def revoke_token(self, access_token: Secret, token_id: int) -> None:
        await self._call("DELETE", f"/tokens/{token_id}", type(None), access_token, headers=_once())

    async def _call(
        self,
        method: str,
        path: str,
        kind: type[T],
        access_token: Secret | None = None,
        *,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        token = None if access_token is None else access_token.reveal()
        url = f"{self.base_url}/api/v1{path}"
        return await self.http.call(method, url, kind, body=body, headers=headers, token=token)


def _once(forwarded_for: str | None = None) -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex, **_forwarded(forwarded_for)}


def _forwarded(address: str | None) -> dict[str, str]:
    return {} if address is None else {"x-forwarded-for": address}

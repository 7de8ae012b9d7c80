"""The users service as other programs use it: typed calls over the kit's HTTP client.

Raises the kit's Problems: Unauthenticated for wrong credentials and for a refresh token that is no longer
good, TooManyRequests when throttled, Conflict for a taken name, Forbidden where a password or a fresh sign-in
is asked for (the `detail` says which), Unprocessable for a sign-in at a provider that is not under way and
for a ticket that is no longer good.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote

from services.kit.errors import Forbidden
from services.kit.http import SERVICE_TOKEN, HttpClient
from services.kit.page import Page
from services.kit.settings import Secret
from services.users.audit import AuditEntry
from services.users.domain import ApiToken, NewApiToken, PublicUser, Scope, Session, User
from services.users.events import USER_DELETED, USER_REGISTERED, UserDeleted, UserRegistered
from services.users.export import Export
from services.users.messages import (
    Confirmation,
    CreatedApiToken,
    NewPassword,
    Refresh,
    SignIn,
    SignUp,
    Tokens,
)
from services.users.oidc.domain import Identity
from services.users.oidc.messages import (
    BeginSignIn,
    FinishSignIn,
    IdentityProvider,
    LinkIdentity,
    NewAccount,
    SignInBegun,
    SignInFinished,
)
from services.users.problems import SessionRequired

__all__ = [
    "USER_DELETED",
    "USER_REGISTERED",
    "ApiToken",
    "AuditEntry",
    "CreatedApiToken",
    "Export",
    "FinishSignIn",
    "Identity",
    "IdentityProvider",
    "NewApiToken",
    "PublicUser",
    "Scope",
    "Session",
    "SignInBegun",
    "SignInFinished",
    "Tokens",
    "User",
    "UserDeleted",
    "UserRegistered",
    "UsersClient",
]

T = TypeVar("T")
NO_SECRET = Secret("")


@dataclass(frozen=True)
class UsersClient:
    """Calls to the service at `base_url`; `access_token` arguments say on whose behalf.

    A program that calls for a browser says so by `on_behalf_of`, for every call: sign-ins are throttled by
    its address, the audit log names that, and the list of sessions shows its User-Agent.
    `service_token` is for the calls that are made for no user.
    """

    http: HttpClient
    base_url: str = "http://users"
    service_token: Secret = NO_SECRET
    sender: tuple[tuple[str, str], ...] = ()

    def on_behalf_of(self, forwarded_for: str | None, user_agent: str | None) -> UsersClient:
        """The same client for a browser, given its X-Forwarded-For as it came here, and its User-Agent."""
        headers = {"x-forwarded-for": forwarded_for, "user-agent": user_agent}
        return replace(self, sender=tuple((name, value) for name, value in headers.items() if value))

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

    async def refresh(self, refresh_token: Secret, *, key: str | None = None) -> Tokens:
        """The next tokens of a session. One caller at a time: a second use of a token ends the session.

        An answer that is lost on the way is asked for again with the same Idempotency-Key. Who may die
        between the answer and keeping it gives a `key` that it will know again, and tries within a minute.
        """
        body = Refresh(refresh_token=refresh_token)
        headers = _once() if key is None else {"idempotency-key": key}
        return await self._call("POST", "/sessions/refresh", Tokens, body=body, headers=headers)

    async def sign_out(self, access_token: Secret) -> None:
        await self._call("DELETE", "/sessions/current", type(None), access_token, headers=_once())

    async def me(self, access_token: Secret) -> User:
        return await self._call("GET", "/users/me", User, access_token)

    async def change_password(
        self, access_token: Secret, current: Secret | None, new: Secret, *, revoke_api_tokens: bool = False
    ) -> None:
        """Change the password, or set the first one (`current` is None); every other session ends."""
        body = NewPassword(current_password=current, new_password=new, revoke_api_tokens=revoke_api_tokens)
        await self._call("PUT", "/users/me/password", type(None), access_token, body=body)

    async def delete_account(self, access_token: Secret, password: Secret | None) -> None:
        """Delete the account; None where it has no password and was signed in to a moment ago."""
        body = Confirmation(password=password)
        await self._call("DELETE", "/users/me", type(None), access_token, body=body)

    async def list_sessions(self, access_token: Secret) -> list[Session]:
        return (await self._call("GET", "/sessions", Page[Session], access_token)).items

    async def is_open(self, access_token: Secret) -> bool:
        """Whether the session that an access token comes from goes on: not ended, nor its account deleted."""
        try:
            await self.list_sessions(access_token)
        except Forbidden as problem:
            # Any other 403 is a proxy's, and says nothing about the session.
            if problem.type != SessionRequired.slug():
                raise
            return False
        return True

    async def end_session(self, access_token: Secret, session_id: int) -> None:
        path = {"session_id": session_id}
        await self._call(
            "DELETE", "/sessions/{session_id}", type(None), access_token, path=path, headers=_once()
        )

    async def end_other_sessions(self, access_token: Secret) -> None:
        await self._call("DELETE", "/sessions", type(None), access_token, headers=_once())

    async def create_token(
        self, access_token: Secret, new: NewApiToken, *, key: str | None = None
    ) -> CreatedApiToken:
        """A personal API token; its text is in this answer only.

        Who gives a `key` of its own is answered the same token again, as long as that is not revoked.
        """
        headers = _once() if key is None else {"idempotency-key": key}
        return await self._call("POST", "/tokens", CreatedApiToken, access_token, body=new, headers=headers)

    async def list_tokens(self, access_token: Secret) -> list[ApiToken]:
        return (await self._call("GET", "/tokens", Page[ApiToken], access_token)).items

    async def revoke_token(self, access_token: Secret, token_id: int) -> None:
        path = {"token_id": token_id}
        await self._call("DELETE", "/tokens/{token_id}", type(None), access_token, path=path, headers=_once())

    async def list_providers(self) -> list[IdentityProvider]:
        """Who people may sign in with, beside the password."""
        return (await self._call("GET", "/identity-providers", Page[IdentityProvider])).items

    async def begin_sign_in(self, provider: str) -> SignInBegun:
        """Begin a sign-in at a provider: send the browser there, keep `transaction` in its cookie."""
        return await self._call("POST", "/sessions/oidc", SignInBegun, body=BeginSignIn(provider=provider))

    async def finish_sign_in(self, finish: FinishSignIn) -> SignInFinished:
        """Finish it with what the browser came back with: tokens, or a ticket for what follows."""
        return await self._call("POST", "/sessions/oidc/callback", SignInFinished, body=finish)

    async def sign_up_by_identity(self, ticket: Secret, username: str) -> Tokens:
        """Make an account out of an identity; with a name that is taken (Conflict) the ticket stays good."""
        body = NewAccount(ticket=ticket, username=username)
        return await self._call("POST", "/users/oidc", Tokens, body=body)

    async def link_identity(
        self, access_token: Secret, ticket: Secret, password: Secret | None = None
    ) -> Identity:
        """Link an identity; without `password` the session must have been opened by it a moment ago."""
        body = LinkIdentity(ticket=ticket, password=password)
        return await self._call("POST", "/users/me/identities", Identity, access_token, body=body)

    async def list_identities(self, access_token: Secret) -> list[Identity]:
        return (await self._call("GET", "/users/me/identities", Page[Identity], access_token)).items

    async def unlink_identity(self, access_token: Secret, identity_id: int) -> None:
        path, route = {"identity_id": identity_id}, "/users/me/identities/{identity_id}"
        await self._call("DELETE", route, type(None), access_token, path=path, headers=_once())

    async def list_audit(
        self, access_token: Secret, *, limit: int = 50, cursor: str | None = None
    ) -> Page[AuditEntry]:
        """What happened to the account, the newest first."""
        path = f"/users/me/audit?limit={limit}" + ("" if cursor is None else f"&cursor={quote(cursor)}")
        return await self._call("GET", path, Page[AuditEntry], access_token)

    async def export(self, access_token: Secret) -> Export:
        """All that this service keeps of a person."""
        return await self._call("GET", "/users/me/export", Export, access_token)

    async def users_by_ids(self, user_ids: Sequence[int]) -> list[PublicUser]:
        """Up to 100 users as anybody may see them; those that do not exist are left out."""
        url, headers = f"{self.base_url}/internal/v1/users", self._service()
        params = {"id": list(user_ids)}
        return await self.http.call("GET", url, list[PublicUser], params=params, headers=headers)

    async def user_by_name(self, username: str) -> PublicUser:
        """A user as anybody may see him; raises NotFound."""
        url = f"{self.base_url}/internal/v1/users/by-name/{{username}}"
        path = {"username": username}
        return await self.http.call("GET", url, PublicUser, path=path, headers=self._service())

    def _service(self) -> dict[str, str]:
        return {SERVICE_TOKEN: self.service_token.first()}

    async def _call(
        self,
        method: str,
        route: str,
        kind: type[T],
        access_token: Secret | None = None,
        *,
        body: object = None,
        path: Mapping[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        token = None if access_token is None else access_token.reveal()
        url = f"{self.base_url}/api/v1{route}"
        sent = {**dict(self.sender), **(headers or {})}
        return await self.http.call(method, url, kind, body=body, path=path, headers=sent, token=token)


def _once(forwarded_for: str | None = None) -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex, **_forwarded(forwarded_for)}


def _forwarded(address: str | None) -> dict[str, str]:
    return {} if address is None else {"x-forwarded-for": address}

"""What requests and answers about identity providers look like on the wire."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from services.kit.settings import Secret
from services.users.messages import Tokens

Parameter = Annotated[str, Meta(min_length=1, max_length=4_096)]


class IdentityProvider(msgspec.Struct, frozen=True):
    """Somebody to sign in with: `id` for requests, `name` for people."""

    id: str
    name: str


class BeginSignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    provider: str


class SignInBegun(msgspec.Struct, frozen=True, kw_only=True):
    """Send the browser to `authorization_url`, and keep `transaction` in a cookie of this browser."""

    authorization_url: str
    transaction: Secret
    expires_in: int


class FinishSignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the browser came back with.

    `transaction` from its cookie, `provider` from the path of the redirect address; `code`, `state` and, if
    it is there, `iss` from the query.
    """

    transaction: Secret
    provider: str
    code: Parameter
    state: Parameter
    iss: Parameter | None = None

    def __repr__(self) -> str:
        return "FinishSignIn(***)"


class UnknownIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Proven, but no account's yet: link it to one (sign in there first), or make one of it.

    `account_exists`: an account has this e-mail address, so linking is what is probably wanted. `email` is
    verified by the provider, None otherwise.
    """

    ticket: Secret
    expires_in: int
    provider: str
    email: str | None
    suggested_username: str | None
    account_exists: bool


class SignInFinished(msgspec.Struct, frozen=True, kw_only=True):
    """Either the tokens of a session, or what to do about an identity that belongs to no account."""

    tokens: Tokens | None = None
    linking: UnknownIdentity | None = None


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to make out of an identity; it has no password until one is set."""

    ticket: Secret
    username: str


class LinkIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`password` unless the session was opened with it a moment ago."""

    ticket: Secret
    password: Secret | None = None

"""What requests and answers look like on the wire, for the handlers and for the client alike."""

from __future__ import annotations

from typing import Literal

import msgspec

from services.kit.settings import Secret
from services.users.domain import ApiToken


class SignUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to make. `email` is for the owner only."""

    username: str
    password: Secret
    email: str | None = None

    def __repr__(self) -> str:
        return f"SignUp(username={self.username!r})"


class NewPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`current_password`: none where the account has none yet, which takes a sign-in a moment ago."""

    current_password: Secret | None = None
    new_password: Secret
    revoke_api_tokens: bool = False


class Confirmation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`password`: none where the account has none, which takes a sign-in a moment ago."""

    password: Secret | None = None


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either `username` and `password`, or `api_token` alone."""

    username: str | None = None
    password: Secret | None = None
    api_token: Secret | None = None

    def __post_init__(self) -> None:
        by_password = self.username is not None and self.password is not None
        neither = self.username is None and self.password is None
        if not (by_password if self.api_token is None else neither):
            raise ValueError("give username and password, or api_token alone")

    def __repr__(self) -> str:
        # People type their password where the name belongs.
        return "SignIn(***)"


class Refresh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    refresh_token: Secret


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in gives: an access token for `expires_in` seconds, and what renews it (once)."""

    access_token: Secret
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6749's word
    expires_in: int
    scope: str
    refresh_token: Secret | None = None
    refresh_expires_in: int | None = None


class CreatedApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token: the only answer that ever shows `token`."""

    api_token: ApiToken
    token: Secret

"""What a program shows to say who it is: a token or a password, in a header or in the address."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from services.kit.settings import Secret

# How our personal API tokens begin (services/users makes them).
API_TOKEN_PREFIX = "dlk_"  # noqa: S105 - a prefix


@dataclass(frozen=True)
class Token:
    """A personal API token or an access token; `owner`, where it is named, must be the token's."""

    text: Secret
    owner: str | None = None


@dataclass(frozen=True)
class Password:
    username: str
    text: Secret


Credentials = Token | Password


def from_authorization(header: str | None, *, schemes: tuple[str, ...]) -> Credentials | None:
    """What an Authorization header of one of the schemes (lower case) shows; None for any other."""
    scheme, _, rest = (header or "").strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() not in schemes or not rest:
        return None
    return _from_basic(rest) if scheme.lower() == "basic" else Token(Secret(rest))


def from_address(auth_token: str) -> Token | None:
    """What `auth_token=<user>:<token>` shows; None without a colon."""
    owner, colon, text = auth_token.partition(":")
    return Token(Secret(text), owner) if colon and owner and text else None


def _from_basic(encoded: str) -> Credentials | None:
    try:
        shown = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        text = shown.decode()
    except UnicodeDecodeError:
        # What browsers did before RFC 7617 said UTF-8.
        text = shown.decode("latin-1")
    username, colon, password = text.partition(":")
    if not colon or not username or not password or "\0" in text:
        return None
    if password.startswith(API_TOKEN_PREFIX):
        return Token(Secret(password), username)
    return Password(username, Secret(password))

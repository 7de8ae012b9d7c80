"""Opaque tokens: random texts that only the database can judge, where they stand as SHA-256.

A SHA-256 is enough for them, unlike for passwords: 256 random bits cannot be guessed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Self

from services.kit.settings import Secret

API_TOKEN_PREFIX = "dlk_"  # noqa: S105 - a prefix, so that scanners recognise a leaked token
REFRESH_TOKEN_PREFIX = "dlr_"  # noqa: S105
SECRET_BYTES = 32
SELECTOR_BYTES = 16
SALT_BYTES = 16


def sha256(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


@dataclass(frozen=True, repr=False)
class RefreshToken:
    """A refresh token in its two parts: `selector` finds the session, `secret` proves the latest refresh."""

    selector: bytes
    secret: bytes

    @classmethod
    def generate(cls) -> Self:
        return cls(os.urandom(SELECTOR_BYTES), os.urandom(SECRET_BYTES))

    @classmethod
    def parse(cls, text: Secret) -> Self | None:
        """The token in a text; None when it cannot be one."""
        packed = unpack(text.reveal(), REFRESH_TOKEN_PREFIX)
        if packed is None or len(packed) != SELECTOR_BYTES + SECRET_BYTES:
            return None
        return cls(packed[:SELECTOR_BYTES], packed[SELECTOR_BYTES:])

    @property
    def text(self) -> Secret:
        return Secret(pack(self.selector + self.secret, REFRESH_TOKEN_PREFIX))

    @property
    def selector_hash(self) -> bytes:
        return sha256(self.selector)

    @property
    def secret_hash(self) -> bytes:
        return sha256(self.secret)

    def next(self, pepper: bytes, request_key: bytes | None) -> RefreshToken:
        """The token after this one: random, or one that the same Idempotency-Key makes again.

        So a lost answer can be given twice although it stands nowhere. Who has stolen this token and
        guessed the key gets no further than asking; only the service knows `pepper`.
        """
        if request_key is None:
            return RefreshToken(self.selector, os.urandom(SECRET_BYTES))
        return RefreshToken(
            self.selector, hmac.digest(pepper, b"refresh" + self.secret + request_key, "sha256")
        )


@dataclass(frozen=True, repr=False)
class NewApiSecret:
    """The secret of a personal API token at its birth; with a request key and its salt it is made again."""

    secret: bytes
    salt: bytes | None

    @classmethod
    def generate(cls, pepper: bytes, request_key: bytes | None) -> Self:
        if request_key is None:
            return cls(os.urandom(SECRET_BYTES), None)
        # The salt is new each time: a revoked token does not come back by the key that once made it.
        return cls.again(pepper, request_key, os.urandom(SALT_BYTES))

    @classmethod
    def again(cls, pepper: bytes, request_key: bytes, salt: bytes) -> Self:
        return cls(hmac.digest(pepper, b"api token" + salt + request_key, "sha256"), salt)

    @property
    def text(self) -> Secret:
        return Secret(pack(self.secret, API_TOKEN_PREFIX))

    @property
    def hash(self) -> bytes:
        return sha256(self.secret)


def api_token_hash(text: Secret) -> bytes | None:
    """What an API token is found by; None for a text that cannot be one."""
    secret = unpack(text.reveal(), API_TOKEN_PREFIX)
    return sha256(secret) if secret is not None and len(secret) == SECRET_BYTES else None


def pack(value: bytes, prefix: str) -> str:
    return prefix + base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unpack(text: str, prefix: str) -> bytes | None:
    encoded = text.removeprefix(prefix)
    if encoded == text:
        return None
    try:
        value = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # One text per token: Base64 whose last bits are not zero is none of ours.
    return value if pack(value, prefix) == text else None

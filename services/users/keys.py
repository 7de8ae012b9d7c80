"""Signing keys and the rules of their rotation; no I/O.

A key is `next` first: published, not yet signing. Then `active`: the one that signs. Then `retired`:
still published until the last token that it signed has expired. So whoever refreshes his copy of the
JWKS at least every 20 minutes, as istiod does, never meets a token whose key he does not know.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
from joserfc.jwk import ECKey

from services.users.encryption import KeyEncryption

ACCESS_TOKEN_LIFE = dt.timedelta(minutes=10)
# How long istiod keeps a JWKS before it fetches it again (PILOT_JWT_PUB_KEY_REFRESH_INTERVAL).
VERIFIER_CACHE = dt.timedelta(minutes=20)
# How old the keys may be that a replica signs with; one that cannot read them any more stops signing.
MAX_KEYS_AGE = dt.timedelta(minutes=5)
# For clocks that differ and deliveries that take time.
MARGIN = dt.timedelta(minutes=5)

State = Literal["next", "active", "retired"]


@dataclass(frozen=True)
class RotationPolicy:
    """How long a key stands in each state; raises ValueError for times that would reject a token."""

    sign_for: dt.timedelta = dt.timedelta(days=7)
    publish_ahead: dt.timedelta = VERIFIER_CACHE + MAX_KEYS_AGE + MARGIN
    publish_after: dt.timedelta = ACCESS_TOKEN_LIFE + MAX_KEYS_AGE + MARGIN

    def __post_init__(self) -> None:
        if self.publish_ahead < VERIFIER_CACHE + MAX_KEYS_AGE:
            raise ValueError("a key would sign before every verifier knows it")
        if self.publish_after < ACCESS_TOKEN_LIFE + MAX_KEYS_AGE:
            raise ValueError("a key would be withdrawn while its tokens are good")
        if self.sign_for < self.publish_ahead:
            raise ValueError("a key would have to sign before its time")


@dataclass(frozen=True)
class SigningKey:
    """One key as it is stored: the public half as a JWK text, the private one encrypted."""

    kid: str
    state: State
    public_jwk: str
    private_key: bytes
    created_at: dt.datetime
    activated_at: dt.datetime | None = None
    retired_at: dt.datetime | None = None

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r}, state={self.state!r})"


@dataclass(frozen=True)
class Rotation:
    """What changes: keys to store anew or in another state, and keys to delete."""

    changed: tuple[SigningKey, ...] = ()
    deleted: tuple[str, ...] = ()


class RotationTooEarly(Exception):
    """The next key is not known to every verifier yet; `at` is when it will be."""

    def __init__(self, at: dt.datetime) -> None:
        super().__init__(f"the next key is known everywhere at {at:%Y-%m-%dT%H:%M:%SZ}, not before")
        self.at = at


def generate(encryption: KeyEncryption, now: dt.datetime) -> SigningKey:
    """A new P-256 key in the state `next`."""
    kid = f"{now:%Y%m%d}-{secrets.token_hex(8)}"
    key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})
    public = msgspec.json.encode(key.as_dict(private=False)).decode()
    return SigningKey(kid, "next", public, encryption.encrypt(key.as_der(private=True), kid=kid), now)


def due(
    keys: Sequence[SigningKey], policy: RotationPolicy, now: dt.datetime, new_key: Callable[[], SigningKey]
) -> Rotation:
    """What has to change now: the first two keys, the change of the signing key, the end of retired ones.

    The first key signs at once: nobody can have read a JWKS without it, since none is served before it.
    """
    active, following = _only(keys, "active"), _only(keys, "next")
    ended = tuple(
        key.kid for key in keys if key.retired_at is not None and now >= key.retired_at + policy.publish_after
    )
    if active is None:
        first = following or new_key()
        return Rotation((_activated(first, now), new_key()), ended)
    if following is None:
        return Rotation((new_key(),), ended)
    if now < (active.activated_at or active.created_at) + policy.sign_for:
        return Rotation((), ended)
    if now < following.created_at + policy.publish_ahead:
        return Rotation((), ended)
    return replace(_rotation(active, following, now, new_key), deleted=ended)


def early(
    keys: Sequence[SigningKey], policy: RotationPolicy, now: dt.datetime, new_key: Callable[[], SigningKey]
) -> Rotation:
    """Change the signing key before its time, without a rejected token; raises RotationTooEarly."""
    active, following = _only(keys, "active"), _only(keys, "next")
    if active is None or following is None:
        return due(keys, policy, now, new_key)
    if now < following.created_at + policy.publish_ahead:
        raise RotationTooEarly(following.created_at + policy.publish_ahead)
    return _rotation(active, following, now, new_key)


def at_once(keys: Sequence[SigningKey], now: dt.datetime, new_key: Callable[[], SigningKey]) -> Rotation:
    """After a private key became known: withdraw every key that could have signed, sign with a fresh one.

    All access tokens are refused from the moment on when a verifier reads the JWKS again, and new ones
    until then: that is the price of the haste.
    """
    return Rotation((_activated(new_key(), now), new_key()), tuple(key.kid for key in keys))


def _rotation(
    active: SigningKey, following: SigningKey, now: dt.datetime, new_key: Callable[[], SigningKey]
) -> Rotation:
    return Rotation((replace(active, state="retired", retired_at=now), _activated(following, now), new_key()))


def _activated(key: SigningKey, now: dt.datetime) -> SigningKey:
    return replace(key, state="active", activated_at=now)


def _only(keys: Sequence[SigningKey], state: State) -> SigningKey | None:
    return next((key for key in keys if key.state == state), None)

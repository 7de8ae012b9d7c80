"""Sign-ins with an identity provider: who is offered, and what the browser keeps of one meanwhile.

It is kept in signed cookies: an answer of a provider counts only in the browser that began, and what it
proves is linked only there.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from typing import ClassVar, TypeVar

import msgspec

from services.kit import deadline
from services.kit.errors import Problem
from services.kit.settings import Secret, decode_secret, reveal_secret
from services.users.client import IdentityProvider
from services.web.visit import Visit

# The sign-in page waits no longer for the buttons: the password needs none.
PATIENCE_S = 1.0


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a cookie says; `purpose` is what it is signed for."""

    purpose: ClassVar[str]


class UnderWay(Kept, frozen=True, kw_only=True):
    """A sign-in that the provider has not answered; `user_id` is who was signed in when it began."""

    purpose: ClassVar[str] = "sign-in"
    transaction: Secret
    next: str
    user_id: int | None


class Unlinked(Kept, frozen=True, kw_only=True):
    """An identity that is proven and no account's yet."""

    purpose: ClassVar[str] = "linking"
    ticket: Secret
    email: str | None
    suggested_username: str
    account_exists: bool
    next: str


K = TypeVar("K", bound=Kept)


def keep(visit: Visit, kept: Kept, lasts_s: int) -> None:
    """Hand it to the browser."""
    text = base64.urlsafe_b64encode(msgspec.json.encode(kept, enc_hook=reveal_secret)).decode()
    visit.set_cookie(_cookie(type(kept)), visit.deps.keys.sign(kept.purpose, text), lasts_s)


def find(visit: Visit, kind: type[K]) -> K | None:
    """What the browser has kept, if it was given it here."""
    cookie = visit.request.cookies.get(_cookie(kind))
    text = visit.deps.keys.unsign(kind.purpose, cookie) if cookie else None
    if text is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=kind, dec_hook=decode_secret)
    except (binascii.Error, msgspec.MsgspecError):
        return None


def drop(visit: Visit, kind: type[Kept]) -> None:
    visit.set_cookie(_cookie(kind), "", 0)


async def offered(visit: Visit) -> list[IdentityProvider]:
    """Whom one may sign in with; nobody while the users service does not say."""
    with suppress(Problem):
        async with deadline.deadline(PATIENCE_S):
            return await visit.users.list_providers()
    return []


def _cookie(kind: type[Kept]) -> str:
    return f"__Host-{kind.purpose}"

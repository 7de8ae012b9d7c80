"""Identities and how sign-ins by them go; no I/O."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import msgspec

from services.users.domain import InvalidAccount, fold_username

MAX_IDENTITIES = 10
# How long somebody may take at the provider, and afterwards to choose an account.
ATTEMPT_LIFE = dt.timedelta(minutes=10)
TICKET_LIFE = dt.timedelta(minutes=10)

_UNFIT = re.compile(r"[^a-z0-9_-]+")


class Identity(msgspec.Struct, frozen=True):
    """An identity at a provider that signs in to the account; `email` as the provider verified it then."""

    id: int
    provider: str
    email: str | None
    created_at: dt.datetime
    last_used_at: dt.datetime


def usernames_like(nickname: str) -> Iterator[str]:
    """Usernames to offer to somebody of this name elsewhere, the best first; none if no form of it fits."""
    base = _UNFIT.sub("-", nickname.lower()).strip("-")[:28]
    for name in (base, *(f"{base}-{number}" for number in range(2, 6))):
        try:
            yield fold_username(name)
        except InvalidAccount:
            continue

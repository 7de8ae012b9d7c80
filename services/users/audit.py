"""What is written down of an account's security: the actions and their entries; no I/O."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

Action = Literal[
    "account-created",
    "signed-in",
    "sign-in-failed",
    "confirmation-failed",
    "signed-out",
    "session-ended",
    "refresh-token-reused",
    "password-changed",
    "password-set",
    "token-created",
    "token-revoked",
    "identity-linked",
    "identity-unlinked",
]


class AuditEntry(msgspec.Struct, frozen=True):
    """One thing that happened, and from which address.

    `session_id`: the session that did it, or that it was done to. `details` name the things concerned (a
    token's name, a provider), never a secret.
    """

    id: int
    at: dt.datetime
    action: Action
    address: str
    session_id: int | None
    details: dict[str, str]

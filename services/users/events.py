"""What `users` publishes, in the statements of its store."""

from __future__ import annotations

import datetime as dt

import msgspec

USER_REGISTERED = "delinkcious.user.registered.v1"
USER_DELETED = "delinkcious.user.deleted.v1"


class UserRegistered(msgspec.Struct, frozen=True):
    """An account was made; usernames never change."""

    user_id: int
    username: str
    created_at: dt.datetime


class UserDeleted(msgspec.Struct, frozen=True):
    """An account is gone, and with it everything that anybody keeps of this user."""

    user_id: int
    username: str

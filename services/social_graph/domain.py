"""People and the edges between them, and the rules of their names; no I/O."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import msgspec

MAX_ID = 2**63 - 1

_USERNAME = re.compile(r"[a-z0-9_-]{3,32}")


class Person(msgspec.Struct, frozen=True):
    """Somebody as the caller sees them; `blocked` says whether the caller blocks them, never the reverse."""

    user_id: int
    username: str
    followers: int
    following: int
    you_follow: bool
    follows_you: bool
    blocked: bool


class ListedPerson(msgspec.Struct, frozen=True):
    """Somebody in a list, and since when they are in it."""

    user_id: int
    username: str
    since: dt.datetime


class Suggestion(msgspec.Struct, frozen=True):
    """Somebody the caller may want to follow: how many of those whom the caller follows do so."""

    user_id: int
    username: str
    followed_by: int


class Edge(msgspec.Struct, frozen=True):
    """That somebody follows somebody; `version` as in the event that said so."""

    follower_id: int
    followee_id: int
    at: dt.datetime
    version: int


@dataclass(frozen=True)
class Limits:
    """What one person may do: so many edges, so many changes in a row, and then one each so many seconds."""

    following: int
    blocks: int
    change_burst: int
    change_every_s: float

    def wait_s(self, owed_s: float) -> float:
        """How long somebody waits for their next change who has made changes for `owed_s` seconds to come."""
        return max(0.0, owed_s - (self.change_burst - 1) * self.change_every_s)


def fold_username(text: str) -> str | None:
    """The one form of a username; None for what nobody can be called."""
    # Only ASCII is folded, as at sign-up.
    folded = text.lower() if text.isascii() else text
    return folded if _USERNAME.fullmatch(folded) else None

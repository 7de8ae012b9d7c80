"""What the social graph publishes, in the trigger functions of its migrations."""

from __future__ import annotations

import datetime as dt

import msgspec

FOLLOWED = "delinkcious.social.followed.v1"
UNFOLLOWED = "delinkcious.social.unfollowed.v1"
BLOCKED = "delinkcious.social.blocked.v1"
UNBLOCKED = "delinkcious.social.unblocked.v1"


class Followed(msgspec.Struct, frozen=True):
    """Somebody follows somebody. Of all events about one edge the one with the greatest `version` is true."""

    follower_id: int
    followee_id: int
    at: dt.datetime
    version: int


class Unfollowed(msgspec.Struct, frozen=True):
    """Somebody follows somebody no more: at will, because of a block, or since one of them is gone."""

    follower_id: int
    followee_id: int
    at: dt.datetime
    version: int


class Blocked(msgspec.Struct, frozen=True):
    """Somebody blocks somebody; that neither follows the other any more is told by events of its own."""

    blocker_id: int
    blocked_id: int
    at: dt.datetime
    version: int


class Unblocked(msgspec.Struct, frozen=True):
    """A block is over; what it ended does not come back."""

    blocker_id: int
    blocked_id: int
    at: dt.datetime
    version: int

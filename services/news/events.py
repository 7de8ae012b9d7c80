"""What the news service listens to, as far as it needs to know; it publishes nothing.

Its own structs, not the publishers': an event that grows is still read, and a rebuild reads the same ones.
A saved link is read as `domain.LinkState`.
"""

from __future__ import annotations

import msgspec

LINK_SAVED = "delinkcious.link.saved.v1"
LINK_REMOVED = "delinkcious.link.removed.v1"
FOLLOWED = "delinkcious.social.followed.v1"
UNFOLLOWED = "delinkcious.social.unfollowed.v1"
USER_DELETED = "delinkcious.user.deleted.v1"


class LinkRemoved(msgspec.Struct, frozen=True):
    """A link is gone."""

    id: int
    owner_id: int
    version: int


class Edge(msgspec.Struct, frozen=True):
    """Somebody follows somebody, or no longer does, as the event's type says."""

    follower_id: int
    followee_id: int
    version: int


class UserDeleted(msgspec.Struct, frozen=True):
    """An account is gone, and everything of it with it."""

    user_id: int

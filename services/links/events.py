"""What `links` publishes, in the trigger functions of its migrations, and what it listens to.

The outcome of a check is described here, by the one it is for: the checker knows links, links no checker.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from services.links.domain import Health

LINK_SAVED = "delinkcious.link.saved.v1"
LINK_REMOVED = "delinkcious.link.removed.v1"
CHECK_FINISHED = "delinkcious.check.finished.v1"


class LinkSaved(msgspec.Struct, frozen=True):
    """A link as it is after a change; `version` grows with every change of this link. Private ones come too.

    `note` holds its first 1,000 characters.
    """

    id: int
    owner_id: int
    url: str
    title: str
    note: str
    tags: list[str]
    private: bool
    health: Health
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int


class LinkRemoved(msgspec.Struct, frozen=True):
    """A link is gone; its id is never used again. `version` is greater than all before."""

    id: int
    owner_id: int
    url: str
    version: int


class CheckFinished(msgspec.Struct, frozen=True):
    """A check of a link's address found something new for its owner.

    `reason` says in a word why it is dead; `suggested_url` is where it has moved to for good; `title` and
    `description` are the page's own, for a link that has none.
    """

    owner_id: int
    link_id: int
    url: str
    health: Health
    reason: str
    checked_at: dt.datetime
    suggested_url: str | None = None
    title: str | None = None
    description: str | None = None

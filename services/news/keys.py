"""The names of keys. Those of an epoch are built and thrown away together; tombstones outlive it.

`{user}` is what a cluster shards by: everything of one user is in one place.
"""

from __future__ import annotations

from collections.abc import Callable

STATE = "news:state"
BUILDER = "news:builder"
RETIRED = "news:retired"
# On which a hot author's id is published when she saves something.
HOT_CHANNEL = "news:hot"
# Published there instead of an author: whoever watches looks.
EVERYBODY = 0


def _of_epoch(name: str) -> Callable[[str, int], str]:
    return lambda epoch, user: f"news:{epoch}:{{{user}}}:{name}"


def _for_ever(name: str) -> Callable[[int], str]:
    return lambda user: f"news:{{{user}}}:{name}"


# As an author: positions, records by link id, what is to be known of the list, who follows.
links = _of_epoch("links")
items = _of_epoch("items")
author = _of_epoch("author")
followers = _of_epoch("followers")
# As a reader: positions, what is to be known of the list, who is followed.
timeline = _of_epoch("timeline")
reader = _of_epoch("reader")
following = _of_epoch("following")
# Tombstones.
deleted = _for_ever("deleted")
gone_links = _for_ever("gone:link:")
gone_followers = _for_ever("gone:follower:")
gone_following = _for_ever("gone:following:")
# On which a reader is told that something came.
channel = _for_ever("news")


def hot(epoch: str) -> str:
    """The authors whose links are read, not written."""
    return f"news:{epoch}:hot"


def everything(epoch: str) -> str:
    """A pattern of all keys of an epoch."""
    return f"news:{epoch}:*"


def every_following(epoch: str) -> str:
    """A pattern of the `following` keys of an epoch."""
    return f"news:{epoch}:*:following"


def user_of(key: str) -> int:
    """Whose a key is."""
    return int(key.partition("{")[2].partition("}")[0])

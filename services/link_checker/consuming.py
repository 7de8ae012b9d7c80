"""What the checker does about the events of links and users."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from services.kit.events.consumer import Subscription, once
from services.kit.events.envelope import Event
from services.link_checker.fetching import targets
from services.link_checker.fetching.errors import Refused
from services.link_checker.refs_store import RefsStore
from services.links.client import LINK_REMOVED, LINK_SAVED, LinkRemoved, LinkSaved
from services.users.client import USER_DELETED, UserDeleted

CONSUMER = "link-checker"
# Whose turns addresses take that nobody is sent to.
NOWHERE = ""


def subscriptions(store: RefsStore, clock: Callable[[], dt.datetime]) -> tuple[Subscription, ...]:
    """The events that matter here, with what is done about each."""

    async def link_saved(_: Event, link: LinkSaved) -> None:
        await store.save(link, host_of(link.url), clock())

    async def link_removed(_: Event, link: LinkRemoved) -> None:
        await store.remove(link, clock())

    async def user_deleted(_: Event, user: UserDeleted) -> None:
        await store.remove_owner(user.user_id, clock())

    database = store.database
    return (
        Subscription(LINK_SAVED, LinkSaved, once(database, CONSUMER, link_saved)),
        Subscription(LINK_REMOVED, LinkRemoved, once(database, CONSUMER, link_removed)),
        # In steps, each a transaction of its own: what is gone is gone, however often it comes.
        Subscription(USER_DELETED, UserDeleted, user_deleted),
    )


def host_of(url: str) -> str:
    """The host that has to be asked about an address; NOWHERE when none will be."""
    try:
        return targets.read(url).host
    except Refused:
        return NOWHERE

"""What `links` does about the events of others: a check has an outcome, an account is gone."""

from __future__ import annotations

from services.kit.events.consumer import Handler, Subscription, once
from services.kit.events.envelope import Event
from services.links.events import CHECK_FINISHED, CheckFinished
from services.links.events_store import EventStore
from services.users.client import USER_DELETED, UserDeleted

CONSUMER = "links"


def subscriptions(store: EventStore) -> tuple[Subscription, ...]:
    """The events that matter here, with what is done about each."""

    async def check_finished(_: Event, outcome: CheckFinished) -> None:
        await store.set_health(outcome)

    async def user_deleted(_: Event, user: UserDeleted) -> None:
        await store.forget_owner(user.user_id)

    checked: Handler = once(store.database, CONSUMER, check_finished)
    return (
        Subscription(CHECK_FINISHED, CheckFinished, checked),
        # In steps, each a transaction of its own: what is gone is gone, however often it comes.
        Subscription(USER_DELETED, UserDeleted, user_deleted),
    )

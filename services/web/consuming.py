"""What `web` does about the events of others: an account is gone."""

from __future__ import annotations

from services.kit.events.consumer import Subscription
from services.kit.events.envelope import Event
from services.users.client import USER_DELETED, UserDeleted
from services.web.departures import Departures

CONSUMER = "web"


def subscriptions(departures: Departures) -> tuple[Subscription, ...]:
    """The events that matter here, with what is done about each."""

    async def user_deleted(_: Event, user: UserDeleted) -> None:
        # What is gone is gone, however often it comes.
        await departures.depart(user.user_id)

    return (Subscription(USER_DELETED, UserDeleted, user_deleted),)

"""What the social graph does about events of others: it learns of people, and lets them go.

Both may be done any number of times with one result, by any replica, so no record is kept of what was done;
and a removal that takes longer than an event may is delivered again and goes on.
"""

from __future__ import annotations

from services.kit.events.consumer import Subscription
from services.kit.events.envelope import Event
from services.social_graph.people_store import PeopleStore
from services.users.client import USER_DELETED, USER_REGISTERED, UserDeleted, UserRegistered

CONSUMER = "social-graph"


def subscriptions(people: PeopleStore) -> tuple[Subscription, ...]:
    """What the consumer is to hear."""

    async def registered(_: Event, user: UserRegistered) -> None:
        await people.introduce(user.user_id, user.username)

    async def deleted(_: Event, user: UserDeleted) -> None:
        await people.remove(user.user_id)

    return (
        Subscription(USER_REGISTERED, UserRegistered, registered),
        Subscription(USER_DELETED, UserDeleted, deleted),
    )

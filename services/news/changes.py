"""What an event does to timelines. Every effect may come twice, late, and in any order with those of others.

A link is written to its author's list first and then to the followers; a follower is added to the author's
followers first and then gets the author's list. So whichever of two concurrent ones is the later sees the
other's first step, and does what the other could not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from services.kit.errors import Unavailable
from services.kit.events.consumer import Subscription
from services.kit.events.envelope import Event
from services.news import domain, events
from services.news.author_store import AuthorStore, Put
from services.news.domain import LinkState
from services.news.epoch_store import Epoch, EpochStore
from services.news.events import Edge, LinkRemoved, UserDeleted
from services.news.reader_store import ReaderStore
from services.news.reading import TOP
from services.news.sources import Sources

# A transaction is over after so long, clocks included: what an older event tells, everything that is read
# from its owner knows already.
SETTLED_S = 3600.0
# By how much the clocks of two machines differ at most.
SKEW_S = 10.0
ATTEMPTS = 5
DELETED_AT_ONCE = 500


@dataclass(frozen=True)
class Changes:
    """Handlers of events; they raise what passes (Unavailable), so that the event comes again."""

    authors: AuthorStore
    readers: ReaderStore
    epochs: EpochStore
    sources: Sources
    hot_followers: int

    def subscriptions(self) -> tuple[Subscription, ...]:
        return (
            Subscription(events.LINK_SAVED, LinkState, self.link_saved),
            Subscription(events.LINK_REMOVED, LinkRemoved, self.link_removed),
            Subscription(events.FOLLOWED, Edge, self.followed),
            Subscription(events.UNFOLLOWED, Edge, self.unfollowed),
            Subscription(events.USER_DELETED, UserDeleted, self.user_deleted),
        )

    async def link_saved(self, event: Event, link: LinkState) -> None:
        """Show a link to the followers, as it is now; or no longer, when it has become private."""
        for epoch in await self._concerned(event):
            now: LinkState | None = link
            if not link.private and _may_know_less(event, epoch):
                now = await self.sources.link(link.owner_id, link.id)
            if now is None:
                put = await self.authors.remove(epoch.name, link.owner_id, link.id, link.version)
            else:
                put = await self.authors.put(epoch.name, link.owner_id, [now])
            await self._spread(epoch, link.owner_id, put)

    async def link_removed(self, event: Event, link: LinkRemoved) -> None:
        """Show a link to nobody any more."""
        for epoch in await self._concerned(event):
            put = await self.authors.remove(epoch.name, link.owner_id, link.id, link.version)
            await self._spread(epoch, link.owner_id, put)

    async def followed(self, event: Event, edge: Edge) -> None:
        """Give a reader the news of an author, the recent ones at once."""
        for epoch in await self._concerned(event):
            if _may_know_less(event, epoch) and not await self.sources.follows(
                edge.follower_id, edge.followee_id
            ):
                continue
            await self.follow(epoch, edge)

    async def follow(self, epoch: Epoch, edge: Edge) -> None:
        """The same in one epoch."""
        for author, hot in await self.connect(epoch, [edge]):
            if hot:
                return
            (recent,) = await self.authors.newest(epoch.name, [author], TOP, domain.bound(self.authors.cap))
            if recent:
                await self.readers.add(epoch.name, [edge.follower_id], author, recent, tell=epoch.current)

    async def connect(self, epoch: Epoch, edges: Sequence[Edge]) -> list[tuple[int, bool]]:
        """Know who follows whom; the authors who have a follower by that, and whether they are hot."""
        states = await self.readers.set_following(epoch.name, edges, follows=True)
        taken = [edge for edge, state in zip(edges, states, strict=True) if state == "done"]
        found = await self.authors.set_follower(epoch.name, taken, follows=True)
        connected = []
        for edge, now in zip(taken, found, strict=True):
            if now.state == "deleted":
                await self.readers.forget_following(epoch.name, edge.follower_id, [edge.followee_id])
            elif now.state == "done":
                hot = now.hot or await self._became_hot(epoch, edge.followee_id, now.count)
                connected.append((edge.followee_id, hot))
        return connected

    async def unfollowed(self, event: Event, edge: Edge) -> None:
        """Take an author's news from a reader: from now on what is on the timeline is void."""
        for epoch in await self._concerned(event):
            await self.readers.set_following(epoch.name, [edge], follows=False)
            await self.authors.set_follower(epoch.name, [edge], follows=False)

    async def user_deleted(self, event: Event, user: UserDeleted) -> None:
        """Forget a user: what she saved, at once; then who followed, whom she followed, her news.

        What is done is done when it has to go on later, so that it ends however many followers there are.
        """
        await self.authors.mark_deleted(user.user_id)
        for epoch in await self._concerned(event, ever=True):
            await self.authors.forget_links(epoch.name, user.user_id)
            async for followers in self.authors.followers(epoch.name, user.user_id):
                await self.readers.forget_followee(epoch.name, followers, user.user_id)
                await self.authors.forget_followers(epoch.name, user.user_id, followers)
            followed = (await self.readers.following(epoch.name, user.user_id)).authors
            for begin in range(0, len(followed), DELETED_AT_ONCE):
                some = followed[begin : begin + DELETED_AT_ONCE]
                for author in some:
                    await self.authors.forget_followers(epoch.name, author, [user.user_id])
                await self.readers.forget_following(epoch.name, user.user_id, some)
            await self.readers.forget_timeline(epoch.name, user.user_id)

    async def reload(self, epoch: Epoch, author: int) -> None:
        """Take an author's list from the links service."""
        for _ in range(ATTEMPTS):
            generation = await self.authors.generation(epoch.name, author)
            links, floor = await self._newest_of(author)
            put = await self.authors.put(epoch.name, author, links, generation=generation, floor=floor)
            if put.state != "changed":
                await self._fan_out(epoch, author, put)
                return
        raise Unavailable(f"the links of {author} change too fast to be read")

    async def _newest_of(self, author: int) -> tuple[list[LinkState], bytes]:
        """An author's newest links, as many as are kept, and the position from which on older ones exist."""
        links: list[LinkState] = []
        async for items in self.sources.public_links(author):
            links += items
            if not items:
                break
            # What follows in the list was saved, or is dated, before its last one.
            floor = domain.place(items[-1].created_at, items[-1].id)
            if sum(domain.position(link) > floor for link in links) >= domain.bound(self.authors.cap):
                return links, floor
        return links, b"-"

    async def _spread(self, epoch: Epoch, author: int, put: Put) -> None:
        await self._fan_out(epoch, author, put)
        if put.short:
            await self.reload(epoch, author)

    async def _fan_out(self, epoch: Epoch, author: int, put: Put) -> None:
        if not put.positions:
            return
        if put.hot or await self._became_hot(epoch, author, put.followers):
            if epoch.current:
                await self.authors.announce(author)
            return
        async for followers in self.authors.followers(epoch.name, author):
            await self.readers.add(epoch.name, followers, author, put.positions, tell=epoch.current)

    async def _became_hot(self, epoch: Epoch, author: int, followers: int) -> bool:
        if followers <= self.hot_followers:
            return False
        await self.authors.make_hot(epoch.name, author)
        return True

    async def _concerned(self, event: Event, *, ever: bool = False) -> Sequence[Epoch]:
        """The epochs that an event has to reach: not those that were built long after it."""
        standing = await self.epochs.standing()
        if standing.current is None and standing.building is None:
            raise Unavailable("there are no timelines yet")
        return [epoch for epoch in standing.all if ever or _age_s(event, epoch) < SETTLED_S]


def _may_know_less(event: Event, epoch: Epoch) -> bool:
    """Whether what ended since the event may have been forgotten with its tombstone: ask the owner then."""
    return _age_s(event, epoch) > -SKEW_S


def _age_s(event: Event, epoch: Epoch) -> float:
    """How much older an event is than the epoch; negative for one that came after."""
    return epoch.since - event.time.astimezone(dt.UTC).timestamp()

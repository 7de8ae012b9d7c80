"""Authors in Redis: the newest public links of each, complete above a floor, and who follows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from services.news import domain, keys, scripts
from services.news.connection import Call, Connection, translated
from services.news.domain import Entry, LinkState
from services.news.events import Edge

# Longer than the broker keeps events and dead letters (30 days), so that none comes after its tombstone.
TOMBSTONE_S = 45 * 24 * 60 * 60
FOLLOWERS_AT_ONCE = 500


@dataclass(frozen=True)
class Put:
    """What became of links: `state` is done, deleted or changed; `positions` are in the list now.

    `short`: older links are needed to fill the list again.
    """

    state: str
    hot: bool
    followers: int
    short: bool
    positions: Sequence[bytes]


@dataclass(frozen=True)
class Followers:
    """What became of an edge, and how many follow now."""

    state: str
    count: int
    hot: bool


@dataclass(frozen=True)
class AuthorStore:
    """What is kept of authors, per epoch; raises Unavailable."""

    redis: Connection
    cap: int

    async def put(
        self,
        epoch: str,
        owner_id: int,
        links: Sequence[LinkState],
        *,
        generation: str = "",
        floor: bytes = b"",
    ) -> Put:
        """Bring links to the state they are given in, unless a later one is known; private ones vanish.

        `floor`: below it the list claims nothing (`b"-"`: it is complete); only if the author's list is still
        of that `generation`.
        """
        states: list[bytes] = []
        for link in links:
            shown = (b"", b"") if link.private else (domain.position(link), domain.body(link))
            states += (domain.sortable(link.id), domain.sortable(link.version), *shown)
        return await self._put(epoch, owner_id, states, generation, floor)

    async def remove(self, epoch: str, owner_id: int, link_id: int, version: int) -> Put:
        """A link is gone."""
        state = (domain.sortable(link_id), domain.sortable(version), b"", b"")
        return await self._put(epoch, owner_id, state)

    async def _put(
        self, epoch: str, owner_id: int, states: Sequence[bytes], generation: str = "", floor: bytes = b""
    ) -> Put:
        names = [
            keys.links(epoch, owner_id),
            keys.items(epoch, owner_id),
            keys.author(epoch, owner_id),
            keys.followers(epoch, owner_id),
            keys.deleted(owner_id),
        ]
        fixed = (domain.bound(self.cap), self.cap, TOMBSTONE_S, keys.gone_links(owner_id), generation, floor)
        answer = await self.redis.run(scripts.PUT_LINKS, names, *fixed, *states)
        return Put(answer[0].decode(), bool(answer[1]), answer[2], bool(answer[3]), answer[4:])

    async def generation(self, epoch: str, owner_id: int) -> str:
        """A number that changes with the list."""
        with translated():
            found = await self.redis.client.hget(keys.author(epoch, owner_id), "generation")
        return "0" if found is None else found.decode()

    async def newest(self, epoch: str, owners: Sequence[int], below: bytes, most: int) -> list[list[bytes]]:
        """Positions of each owner's newest links below a position (`+`: from the newest on)."""
        with translated():
            pipeline = self.redis.client.pipeline(transaction=False)
            for owner in owners:
                pipeline.zrevrangebylex(keys.links(epoch, owner), below, b"-", 0, most)
            return list(await pipeline.execute()) if owners else []

    async def entries(self, epoch: str, positions: Sequence[bytes]) -> list[Entry | None]:
        """What is at positions now; None where the link is gone, private, or moved."""
        by_owner: dict[int, list[bytes]] = {}
        for at in positions:
            by_owner.setdefault(domain.owner_of(at), []).append(at)
        with translated():
            pipeline = self.redis.client.pipeline(transaction=False)
            for owner, places in by_owner.items():
                pipeline.hmget(keys.items(epoch, owner), [at[8:16] for at in places])
            answers = await pipeline.execute() if by_owner else []
        found: Mapping[bytes, Entry | None] = {
            at: domain.entry(at, record)
            for places, records in zip(by_owner.values(), answers, strict=True)
            for at, record in zip(places, records, strict=True)
        }
        return [found[at] for at in positions]

    async def set_follower(self, epoch: str, edges: Sequence[Edge], *, follows: bool) -> list[Followers]:
        """Know who follows whom, or no longer does, unless something later is known."""
        calls: list[Call] = []
        for edge in edges:
            author = edge.followee_id
            names = [
                keys.followers(epoch, author),
                keys.author(epoch, author),
                keys.deleted(author),
                f"{keys.gone_followers(author)}{edge.follower_id}",
            ]
            version = domain.sortable(edge.version)
            calls.append((scripts.SET_EDGE, names, (edge.follower_id, version, int(follows), TOMBSTONE_S, 0)))
        answers = await self.redis.run_all(calls)
        return [Followers(state.decode(), count, bool(hot)) for state, count, hot in answers]

    async def followers(self, epoch: str, author_id: int) -> AsyncIterator[list[int]]:
        """Who follows, in batches; those who begin meanwhile may be missing."""
        cursor = 0
        while True:
            with translated():
                cursor, found = await self.redis.client.hscan(
                    keys.followers(epoch, author_id), cursor, count=FOLLOWERS_AT_ONCE
                )
            if found:
                yield [int(follower) for follower in found]
            if not cursor:
                return

    async def make_hot(self, epoch: str, author_id: int) -> None:
        """From now on the author's links are read by the followers. For as long as the epoch lasts."""
        # In this order: who saves and is told to be hot is read by everybody already.
        with translated():
            await self.redis.client.sadd(keys.hot(epoch), author_id)
            await self.redis.client.hset(keys.author(epoch, author_id), "hot", "1")

    async def hot(self, epoch: str) -> set[int]:
        with translated():
            return {int(author) for author in await self.redis.client.smembers(keys.hot(epoch))}

    async def announce(self, author_id: int = keys.EVERYBODY) -> None:
        """Tell whoever watches that a hot author saved something, or that everything may have changed."""
        with translated():
            await self.redis.client.publish(keys.HOT_CHANNEL, author_id)

    async def mark_deleted(self, user_id: int) -> None:
        """Nothing of this user is taken in any more."""
        with translated():
            await self.redis.client.set(keys.deleted(user_id), "1", ex=TOMBSTONE_S)

    async def forget_links(self, epoch: str, author_id: int) -> None:
        """Drop what an author saved."""
        with translated():
            await self.redis.client.unlink(
                keys.links(epoch, author_id), keys.items(epoch, author_id), keys.author(epoch, author_id)
            )

    async def forget_followers(self, epoch: str, author_id: int, followers: Sequence[int]) -> None:
        """Drop edges that are no longer needed, whatever their versions."""
        if not followers:
            return
        with translated():
            await self.redis.client.hdel(keys.followers(epoch, author_id), *map(str, followers))

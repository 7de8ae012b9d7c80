"""Readers in Redis: whom each follows, and the positions of their news, complete above a floor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from services.news import domain, keys, scripts
from services.news.author_store import TOMBSTONE_S
from services.news.connection import Call, Connection, translated
from services.news.events import Edge

SCANNED_AT_ONCE = 1_000


@dataclass(frozen=True)
class Stretch:
    """A part of a timeline; below `floor` (`b""`: there is none) it claims nothing."""

    floor: bytes
    positions: Sequence[bytes]


@dataclass(frozen=True)
class Following:
    """Whom a reader follows; the generation changes with that and with the timeline."""

    generation: str
    authors: Sequence[int]


@dataclass(frozen=True)
class ReaderStore:
    """What is kept of readers, per epoch; raises Unavailable."""

    redis: Connection
    cap: int

    async def set_following(self, epoch: str, edges: Sequence[Edge], *, follows: bool) -> list[str]:
        """Know who follows whom, or no longer does, unless something later is known: done, late, deleted."""
        calls: list[Call] = []
        for edge in edges:
            reader = edge.follower_id
            names = [
                keys.following(epoch, reader),
                keys.reader(epoch, reader),
                keys.deleted(reader),
                f"{keys.gone_following(reader)}{edge.followee_id}",
            ]
            version = domain.sortable(edge.version)
            calls.append((scripts.SET_EDGE, names, (edge.followee_id, version, int(follows), TOMBSTONE_S, 1)))
        return [state.decode() for state, _, _ in await self.redis.run_all(calls)]

    async def add(
        self, epoch: str, readers: Iterable[int], author_id: int, positions: Sequence[bytes], *, tell: bool
    ) -> None:
        """Put an author's links on timelines, of those readers who follow; `tell` those who watch."""
        calls: list[Call] = []
        for reader in readers:
            names = [keys.timeline(epoch, reader), keys.following(epoch, reader), keys.reader(epoch, reader)]
            channel = keys.channel(reader) if tell else ""
            arguments: list[bytes | str | int] = [author_id, domain.bound(self.cap), channel, *positions]
            calls.append((scripts.ADD_TO_TIMELINE, names, arguments))
        await self.redis.run_all(calls)

    async def replace(
        self, epoch: str, reader_id: int, generation: str, floor: bytes, positions: Sequence[bytes]
    ) -> bool:
        """Put a new timeline in place of the old one, unless something changed since `generation`."""
        names = [keys.timeline(epoch, reader_id), keys.reader(epoch, reader_id), keys.deleted(reader_id)]
        return bool(await self.redis.run(scripts.REPLACE_TIMELINE, names, generation, floor, *positions))

    async def read(self, epoch: str, reader_id: int, below: bytes, most: int) -> Stretch:
        """The newest positions of a timeline below one (`+`: from the newest on)."""
        names = [keys.timeline(epoch, reader_id), keys.reader(epoch, reader_id)]
        floor, *positions = await self.redis.run(scripts.READ_TIMELINE, names, below, most)
        return Stretch(floor, positions)

    async def following(self, epoch: str, reader_id: int) -> Following:
        """Everybody whom a reader follows."""
        names = [keys.following(epoch, reader_id), keys.reader(epoch, reader_id)]
        generation, *authors = await self.redis.run(scripts.READ_FOLLOWING, names)
        return Following(generation.decode(), [int(author) for author in authors])

    async def followed(self, epoch: str, reader_id: int, authors: Iterable[int]) -> set[int]:
        """Those of the authors whom a reader follows."""
        asked = list(authors)
        if not asked:
            return set()
        with translated():
            versions = await self.redis.client.hmget(
                keys.following(epoch, reader_id), [str(author) for author in asked]
            )
        return {author for author, version in zip(asked, versions, strict=True) if version is not None}

    async def following_any(self, epoch: str, readers: Sequence[int], authors: Iterable[int]) -> list[int]:
        """Those of the readers who follow one of the authors."""
        asked = [str(author) for author in authors]
        with translated():
            pipeline = self.redis.client.pipeline(transaction=False)
            for reader in readers:
                pipeline.hmget(keys.following(epoch, reader), asked)
            answers = await pipeline.execute() if readers and asked else []
        return [reader for reader, found in zip(readers, answers, strict=False) if any(found)]

    async def every_reader(self, epoch: str) -> AsyncIterator[list[int]]:
        """Everybody who follows anybody, in batches; those who begin meanwhile may be missing."""
        cursor = 0
        while True:
            with translated():
                cursor, found = await self.redis.client.scan(
                    cursor, match=keys.every_following(epoch), count=SCANNED_AT_ONCE
                )
            if found:
                yield [keys.user_of(name.decode()) for name in found]
            if not cursor:
                return

    async def forget_timeline(self, epoch: str, reader_id: int) -> None:
        """Drop a reader's news."""
        with translated():
            await self.redis.client.unlink(keys.timeline(epoch, reader_id), keys.reader(epoch, reader_id))

    async def forget_following(self, epoch: str, reader_id: int, authors: Sequence[int]) -> None:
        """Drop edges that are no longer needed, whatever their versions."""
        if not authors:
            return
        with translated():
            await self.redis.client.hdel(keys.following(epoch, reader_id), *map(str, authors))

    async def forget_followee(self, epoch: str, readers: Sequence[int], author_id: int) -> None:
        """Drop an author from what readers follow."""
        with translated():
            pipeline = self.redis.client.pipeline(transaction=False)
            for reader in readers:
                pipeline.hdel(keys.following(epoch, reader), str(author_id))
            if readers:
                await pipeline.execute()

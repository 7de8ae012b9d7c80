"""A random history: people save, change, follow, leave, while events are late, doubled and all at once."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tests.integration.news.owners import Owners, Told
from tests.integration.news.world import World

T = TypeVar("T")

PEOPLE = 6
MINUTES = 40
REPLAYED = 20
OLD_AGES = (dt.timedelta(days=1), dt.timedelta(seconds=30))


class Chooser(Protocol):
    """Where chance comes from."""

    def below(self, bound: int) -> int: ...


class Dice:
    """Chance from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a history, no secret

    def below(self, bound: int) -> int:
        return self._random.randrange(bound)


@dataclass(frozen=True)
class Sent:
    """An event; `life`: how often Redis had been lost when it happened."""

    told: Told
    life: int


@dataclass
class History:
    """Actions on the truth, and what news hears of them. Events of one person come in order."""

    world: World
    chooser: Chooser
    people: list[int] = field(default_factory=lambda: list(range(1, PEOPLE + 1)))
    waiting: dict[int, deque[Sent]] = field(default_factory=lambda: defaultdict(deque))
    past: list[Sent] = field(default_factory=list)
    life: int = 0
    actions: int = 0

    @property
    def owners(self) -> Owners:
        return self.world.owners

    def act(self) -> None:
        """Somebody does something."""
        self.actions += 1
        me = self._one(self.people)
        mine = [link.id for link in self.owners.links.values() if link.owner_id == me]
        what = self.chooser.below(1_000)
        if what < 350 or (not mine and what < 700):
            minute = self.chooser.below(MINUTES) if self.chooser.below(3) == 0 else None
            self._say(me, self.owners.save(me, private=self.chooser.below(4) == 0, minute=minute))
        elif what < 450:
            private = self.owners.links[number := self._one(mine)].private
            self._say(me, self.owners.edit(number, private=not private))
        elif what < 520:
            at = self.owners.links[number := self._one(mine)].created_at
            moved = at + dt.timedelta(minutes=self.chooser.below(MINUTES) - MINUTES // 2)
            self._say(me, self.owners.edit(number, created_at=moved, updated_at=moved))
        elif what < 700:
            self._say(me, self.owners.remove(self._one(mine)))
        elif what < 900:
            self._say(me, self.owners.follow(me, self._one([each for each in self.people if each != me])))
        elif what < 997:
            self._say(me, self.owners.unfollow(me, self._one(self.people)))
        else:
            self._say(me, self.owners.delete_user(me))
            self.people[self.people.index(me)] = max(self.people) + 1

    async def hear(self, *, again: bool) -> None:
        """One event comes: the next one of somebody, or any of the past once more."""
        if again:
            if self.past:
                await self._tell(self._one(self.past))
        elif keys := sorted(key for key, queue in self.waiting.items() if queue):
            await self._next(self._one(keys))

    async def hear_all(self) -> None:
        """Everything that waits comes, that of different people at the same time."""
        await asyncio.gather(*(self._drain(key) for key in sorted(self.waiting)))

    async def rebuild(self) -> None:
        """Everything is built anew while events come."""
        await asyncio.gather(self.world.builder.rebuild(), self.hear_all())

    async def lose(self) -> None:
        """Redis loses its memory, and events from before come once more."""
        await self.world.redis.client.flushdb()
        self.life += 1
        await self.world.builder.rebuild()
        for _ in range(REPLAYED):
            await self.hear(again=True)

    async def check(self) -> None:
        """Everybody sees exactly what they should, whatever the size of the pages."""
        cap = self.world.builder.news.cap
        for reader in self.people:
            expected = self.owners.news(reader, cap)
            found = await self.world.news(reader, limit=1 + self.chooser.below(cap))
            assert found == expected, f"{reader} sees {found}, not {expected}"

    async def check_equal_to_rebuilt(self) -> None:
        """What events have made is what is made anew."""
        await self.hear_all()
        await self.check()
        await self.world.builder.rebuild()
        await self.check()

    async def _drain(self, key: int) -> None:
        while self.waiting[key]:
            await self._next(key)

    async def _next(self, key: int) -> None:
        sent = self.waiting[key].popleft()
        await self._tell(sent)
        self.past.append(sent)

    async def _tell(self, sent: Sent) -> None:
        after_all = dt.timedelta(days=-1)
        await self.world.tell(sent.told, age=after_all if sent.life == self.life else self._one(OLD_AGES))

    def _say(self, key: int, told: Told) -> None:
        self.waiting[key].append(Sent(told, self.life))

    def _one(self, choices: Sequence[T]) -> T:
        return choices[self.chooser.below(len(choices))]

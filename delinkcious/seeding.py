"""Example data in the shapes of the real thing, the same for the same seed: a few people have most followers,
a few tags most links, a few people most links (power laws)."""

# ruff: noqa: S311 - example data
from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.vocabulary import WORDS, PowerLaw, host_law, name, tag, tag_law
from services.links.seeding import SeedLink

# Exponents of the laws, as in social networks.
LINKS_LAW, FOLLOWER_LAW = 0.7, 0.9
FOLLOWING_ON_AVERAGE = 12
MAX_FOLLOWING = 500
FIRST = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
SPAN_S = 16 * 365 * 86_400


@dataclass(frozen=True)
class Shape:
    """How much of everything; `seed` decides which."""

    users: int
    links: int
    seed: int = 1

    def usernames(self) -> list[str]:
        """The first ones have the most links and followers."""
        return [f"seed-{self.seed}-{number}" for number in range(1, self.users + 1)]

    def owners(self) -> list[int]:
        """How many links each user has: all together `links`, nobody without any while there are enough."""
        law = PowerLaw(self.users, LINKS_LAW)
        dice = random.Random(f"{self.seed} owners")
        counts = [1 if number < self.links else 0 for number in range(self.users)]
        for _ in range(self.links - sum(counts)):
            counts[law.draw(dice)] += 1
        return counts

    def links_of(self, user: int, count: int) -> Iterator[SeedLink]:
        """The links of the user with this number (from 0), oldest first."""
        dice = random.Random(f"{self.seed} links {user}")
        tags, hosts = tag_law(), host_law()
        moments = sorted(dice.random() for _ in range(count))
        for number, moment in enumerate(moments):
            host = f"www.{name(hosts.draw(dice))}.example"
            words = dice.choices(WORDS, k=dice.randint(3, 8))
            names = {tag(tags.draw(dice)) for _ in range(dice.choice((0, 1, 2, 2, 3, 4, 5)))}
            yield SeedLink(
                url=f"https://{host}/{words[0]}/{user}-{number}",
                host=host,
                title=" ".join(words).capitalize(),
                note=" ".join(dice.choices(WORDS, k=12)) if dice.random() < 0.2 else "",
                tags=sorted(names),
                private=dice.random() < 0.1,
                to_read=dice.random() < 0.1,
                created_at=FIRST + dt.timedelta(seconds=round(moment * SPAN_S)),
            )

    def follows(self) -> Iterator[tuple[int, int]]:
        """Who (a number) follows whom: each pair once, nobody themselves."""
        law = PowerLaw(self.users, FOLLOWER_LAW)
        dice = random.Random(f"{self.seed} follows")
        for follower in range(self.users):
            wanted = min(MAX_FOLLOWING, self.users - 1, int(dice.expovariate(1 / FOLLOWING_ON_AVERAGE)))
            chosen = {law.draw(dice) for _ in range(wanted)} - {follower}
            yield from ((follower, followee) for followee in sorted(chosen))

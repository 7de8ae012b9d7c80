"""Example data in the shapes of the real thing, the same for the same seed: a few people have most followers,
a few tags most links, a few people most links (power laws)."""

# ruff: noqa: SIM905 - a text of words is easier to read than a list of quoted ones
# ruff: noqa: S311 - example data
from __future__ import annotations

import bisect
import datetime as dt
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from services.links.seeding import SeedLink

# Exponents of the laws: tags as in public bookmark collections, the others as in social networks.
TAG_LAW, HOST_LAW, LINKS_LAW, FOLLOWER_LAW = 1.05, 0.6, 0.7, 0.9
TAGS, HOSTS = 20_000, 30_000
FOLLOWING_ON_AVERAGE = 12
MAX_FOLLOWING = 500
FIRST = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
SPAN_S = 16 * 365 * 86_400

_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bra cle dri flo gru".split()
_TOPICS = """python web security rust databases design linux testing kubernetes travel cooking history maps
    music physics gardening photography typography privacy statistics networks compilers languages""".split()
_WORDS = """introduction guide patterns notes on the art of practical modern small large fast simple data
    systems services tools mistakes lessons questions answers internals performance future history""".split()


class PowerLaw:
    """Draws 0 ... size - 1; rank r has the weight (r + 1) ** -exponent."""

    def __init__(self, size: int, exponent: float) -> None:
        self._sums = list(itertools.accumulate((rank + 1) ** -exponent for rank in range(size)))

    def draw(self, dice: random.Random) -> int:
        return min(bisect.bisect_right(self._sums, dice.random() * self._sums[-1]), len(self._sums) - 1)


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
        tags, hosts = _laws()
        moments = sorted(dice.random() for _ in range(count))
        for number, moment in enumerate(moments):
            host = f"www.{_name(hosts.draw(dice))}.example"
            words = dice.choices(_WORDS, k=dice.randint(3, 8))
            names = {_tag(tags.draw(dice)) for _ in range(dice.choice((0, 1, 2, 2, 3, 4, 5)))}
            yield SeedLink(
                url=f"https://{host}/{words[0]}/{user}-{number}",
                host=host,
                title=" ".join(words).capitalize(),
                note=" ".join(dice.choices(_WORDS, k=12)) if dice.random() < 0.2 else "",
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


def _laws() -> tuple[PowerLaw, PowerLaw]:
    if not _LAWS:
        _LAWS.extend((PowerLaw(TAGS, TAG_LAW), PowerLaw(HOSTS, HOST_LAW)))
    return _LAWS[0], _LAWS[1]


_LAWS: list[PowerLaw] = []


def _tag(rank: int) -> str:
    return _TOPICS[rank] if rank < len(_TOPICS) else f"{_name(rank)}"


def _name(number: int) -> str:
    """A pronounceable name, another for every number."""
    name = ""
    while True:
        number, syllable = divmod(number, len(_SYLLABLES))
        name += _SYLLABLES[syllable]
        if number == 0:
            return name
        number -= 1

"""Words, tags and hosts in the shapes of the real thing: a few are everywhere, most are rare (power laws)."""

# ruff: noqa: SIM905 - a text of words is easier to read than a list of quoted ones
from __future__ import annotations

import bisect
import itertools
import random
from functools import cache

# Exponents of the laws: tags as in public bookmark collections, hosts as in social networks.
TAG_LAW, HOST_LAW = 1.05, 0.6
TAGS, HOSTS = 20_000, 30_000

_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bra cle dri flo gru".split()
_TOPICS = """python web security rust databases design linux testing kubernetes travel cooking history maps
    music physics gardening photography typography privacy statistics networks compilers languages""".split()
WORDS = """introduction guide patterns notes on the art of practical modern small large fast simple data
    systems services tools mistakes lessons questions answers internals performance future history""".split()


class PowerLaw:
    """Draws 0 ... size - 1; rank r has the weight (r + 1) ** -exponent."""

    def __init__(self, size: int, exponent: float) -> None:
        self._sums = list(itertools.accumulate((rank + 1) ** -exponent for rank in range(size)))

    def draw(self, dice: random.Random) -> int:
        return min(bisect.bisect_right(self._sums, dice.random() * self._sums[-1]), len(self._sums) - 1)


@cache
def tag_law() -> PowerLaw:
    """Of ranks of tags; made once, since it has many."""
    return PowerLaw(TAGS, TAG_LAW)


@cache
def host_law() -> PowerLaw:
    """Of numbers of hosts."""
    return PowerLaw(HOSTS, HOST_LAW)


def tag(rank: int) -> str:
    """The tag of this rank; the most frequent ones are words that people know."""
    return _TOPICS[rank] if rank < len(_TOPICS) else name(rank)


def name(number: int) -> str:
    """A pronounceable name, another for every number."""
    made = ""
    while True:
        number, syllable = divmod(number, len(_SYLLABLES))
        made += _SYLLABLES[syllable]
        if number == 0:
            return made
        number -= 1

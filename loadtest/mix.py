"""The mix: which journeys, how many of them, how much thinking between; read from YAML and judged whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta

from loadtest.journeys import JOURNEYS

OWN = Path(__file__).with_name("mix.yaml")
BACKGROUND = Path(__file__).with_name("background.yaml")
MAX_THINK_TIMES = 10  # a think time is at most so many times the average
MAX_MIX_BYTES = 64 * 1024

Weight = Annotated[int, Meta(ge=0, le=1_000)]
ThinkTime = Annotated[float, Meta(ge=0.1, le=600)]


class InvalidMix(Exception):
    """What is wrong with a mix, and in which file."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One journey: `weight` of all users do it, with `think_s` seconds on average between requests."""

    weight: Weight
    think_s: ThinkTime


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Journeys by name."""

    journeys: dict[str, Part]

    def request_shares(self) -> dict[str, float]:
        """Each journey's share of all requests, as its users would send them; they add up to 1."""
        rates = {name: part.weight / part.think_s for name, part in self.journeys.items()}
        total = sum(rates.values())
        return {name: rate / total for name, rate in rates.items()}

    def users(self) -> Iterator[str]:
        """The journey of the first user, the second ...: at any time as near to the weights as can be."""
        owed = dict.fromkeys(self.journeys, 0)
        total = sum(part.weight for part in self.journeys.values())
        while True:
            for name, part in self.journeys.items():
                owed[name] += part.weight
            most = max(owed, key=lambda name: owed[name])
            owed[most] -= total
            yield most

    def think_s(self, journey: str, dice: random.Random) -> float:
        """How long this user thinks now."""
        mean = self.journeys[journey].think_s
        return min(dice.expovariate(1 / mean), MAX_THINK_TIMES * mean)


def load_mix(file: Path = OWN) -> Mix:
    """The mix in a file. Raises InvalidMix with the file and the place in it."""
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_MIX_BYTES + 1)
        if len(text) > MAX_MIX_BYTES:
            raise InvalidMix(f"{file}: more than {MAX_MIX_BYTES} bytes is no mix")
        mix = msgspec.convert(yaml.safe_load(text), Mix)
    except OSError as error:
        raise InvalidMix(f"{file}: {error.strerror or error}") from None
    except yaml.YAMLError as error:
        raise InvalidMix(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise InvalidMix(f"{file}: {error}") from None
    if strange := sorted(set(mix.journeys) - set(JOURNEYS)):
        raise InvalidMix(f"{file}: no journey is {strange[0]!r}; there are {', '.join(JOURNEYS)}")
    if not any(part.weight for part in mix.journeys.values()):
        raise InvalidMix(f"{file}: every weight is 0, so nobody would do anything")
    return mix

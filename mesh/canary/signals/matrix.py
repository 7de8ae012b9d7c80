"""What Prometheus answers, made into readings: every sample of a scrape belongs to one (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from mesh.canary.signals.counters import Memory, Reading, Series, Target
from mesh.canary.signals.source import Measured, NoEvidence


class Found(msgspec.Struct):
    """A series with its samples, or with one."""

    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    result: list[Found]


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""


_decoder = msgspec.json.Decoder(_Answer)


def decode(text: bytes) -> list[Found]:
    """The result of a query. Raises NoEvidence if it is none, or was refused."""
    try:
        answer = _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise NoEvidence("what answers for Prometheus does not speak its language") from error
    if answer.status != "success" or answer.data is None:
        raise NoEvidence(f"Prometheus refused a query: {answer.error[:200]}")
    return answer.data.result


def key(labels: Mapping[str, str]) -> str:
    """A pod, or what is scraped where no label names one."""
    if pod := labels.get("pod"):
        return f"{labels.get('namespace', '')}/{pod}"
    return f"{labels.get('job', '')}/{labels.get('instance', '')}"


@dataclass
class Scraped:
    """How a target was scraped: the moments at which it answered, and whether it did at the last one."""

    labels: Mapping[str, str]
    at: list[float] = field(default_factory=list)
    last: float = -math.inf
    answers: bool = False
    values: dict[float, dict[Series, float]] = field(default_factory=dict)


def scraped(up: Iterable[Found]) -> dict[str, Scraped]:
    """By its key, from samples of `up`; of a pod that two jobs scrape, the first job by name counts."""
    made: dict[str, Scraped] = {}
    for found in sorted(
        up, key=lambda found: (found.metric.get("job", ""), found.metric.get("instance", ""))
    ):
        own = Scraped(found.metric)
        for at, value in found.values:
            own.last, own.answers = at, float(value) == 1.0
            if own.answers:
                own.at.append(at)
        other = made.get(key(found.metric))
        # A pod's address may have changed: then the older of two of one job is no longer scraped.
        if other is None or (other.labels.get("job") == found.metric.get("job") and own.last > other.last):
            made[key(found.metric)] = own
    return made


def fill(targets: Mapping[str, Scraped], counters: Iterable[Found]) -> None:
    """Put every sample into the scrape it is of; those of scrapes that are not known yet stay out."""
    for target in targets.values():
        target.values = {at: {} for at in target.at}
    for found in counters:
        target_of = targets.get(key(found.metric))
        if target_of is None or any(
            found.metric.get(name) != target_of.labels.get(name) for name in ("job", "instance")
        ):
            continue
        labels = dict(found.metric)
        series = (labels.pop("__name__", ""), frozenset(labels.items()))
        for at, text in found.values:
            if at in target_of.values and math.isfinite(value := float(text)):
                target_of.values[at][series] = value


def version_of(labels: Mapping[str, str], measured: Measured) -> str:
    """The arm of a pod by its labels; "" for all others."""
    mine = labels.get("namespace") == measured.namespace and labels.get("app") == measured.app
    version = labels.get("version", "")
    return version if mine and version in (measured.stable, measured.canary) else ""


def readings(target: Target, found: Scraped) -> list[Reading]:
    return [Reading(target, at, found.values[at]) for at in found.at]


def passed_over(memory: Memory, targets: Mapping[str, Scraped]) -> set[str]:
    """Those that are not scraped any more: another was scraped twice since they were last."""
    twice = any(_new(memory, name, found) > 1 for name, found in targets.items() if name in memory)
    return {
        name for name, found in targets.items() if twice and name in memory and found.last <= memory[name].at
    }


def settled(memory: Memory, targets: Mapping[str, Scraped]) -> bool:
    """Whether all that answer were read again."""
    return all(_new(memory, name, found) > 0 for name, found in targets.items() if found.answers)


def _new(memory: Memory, name: str, found: Scraped) -> int:
    since = memory[name].at if name in memory else -math.inf
    return sum(at > since for at in found.at)


def quoted(text: str) -> str:
    """A string of PromQL."""
    return msgspec.json.encode(text).decode()


def one_of(words: Sequence[str]) -> str:
    """A regular expression for some words, as a string of PromQL."""
    return quoted("|".join(_literal(word) for word in words))


def _literal(word: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_- /" else f"\\{letter}" for letter in word)

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


# Two are late by chance.
MISSED = 3

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
    """How a target was scraped: when, `at` which moments it answered, and whether it did at the last one."""

    labels: Mapping[str, str]
    tried: list[float] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    last: float = -math.inf
    answers: bool = False
    values: dict[float, dict[Series, float]] = field(default_factory=dict)


def scraped(up: Iterable[Found]) -> dict[str, Scraped]:
    """By its key, from samples of `up`: where its latest address is scraped by a job, one that gets answers.

    A pod that several jobs scrape counts the same for each; the first by name is as good as any.
    """
    by_job: dict[tuple[str, str], Scraped] = {}
    for found in up:
        own = Scraped(found.metric)
        for at, value in found.values:
            own.tried.append(at)
            own.last, own.answers = at, float(value) == 1.0
            if own.answers:
                own.at.append(at)
        name, job = key(found.metric), found.metric.get("job", "")
        if (name, job) not in by_job or own.last > by_job[name, job].last:
            by_job[name, job] = own
    made: dict[str, Scraped] = {}
    for (name, _), own in sorted(by_job.items(), key=lambda item: item[0]):
        if name not in made or (own.answers and not made[name].answers):
            made[name] = own
    return made


def fill(targets: Mapping[str, Scraped], counters: Iterable[Found]) -> None:
    """Put every sample into the scrape it is of; those of scrapes that are not known yet stay out."""
    for target in targets.values():
        target.values = {at: {} for at in target.at}
    for found in counters:
        labels = dict(found.metric)
        target_of = targets.get(key(labels))
        address = {name: labels.pop(name, None) for name in ("job", "instance")}
        if target_of is None or any(target_of.labels.get(name) != value for name, value in address.items()):
            continue
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


def passed_over(targets: Mapping[str, Scraped]) -> set[str]:
    """Those that are not scraped any more: another of the same job was, `MISSED` times, since they were."""
    lately: dict[str, float] = {}
    for found in targets.values():
        if len(found.tried) >= MISSED:
            job = found.labels.get("job", "")
            lately[job] = max(lately.get(job, -math.inf), found.tried[-MISSED])
    return {
        name
        for name, found in targets.items()
        if found.last < lately.get(found.labels.get("job", ""), -math.inf)
    }


def settled(memory: Memory, targets: Mapping[str, Scraped]) -> bool:
    """Whether all that answer were read again."""
    last = {name: memory[name].at if name in memory else -math.inf for name in targets}
    return all(found.at[-1] > last[name] for name, found in targets.items() if found.answers)


def quoted(text: str) -> str:
    """A string of PromQL."""
    return msgspec.json.encode(text).decode()


def one_of(words: Sequence[str]) -> str:
    """A regular expression for some words, as a string of PromQL."""
    return quoted("|".join(_literal(word) for word in words))


def _literal(word: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_- /" else f"\\{letter}" for letter in word)

"""Evidence from Prometheus: raw samples with their own times, never rate() or increase().

Those lose what a series counts before its second sample, and the first errors of a canary are what matters.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import aiohttp

from mesh.canary.model import ArmSample
from mesh.canary.signals import bounded, matrix, past
from mesh.canary.signals.arms import DURATIONS, REQUESTS, Counted, calls, too_silent
from mesh.canary.signals.counters import Memory, Target
from mesh.canary.signals.matrix import Found, Scraped, one_of, quoted
from mesh.canary.signals.source import Measured, NoEvidence, Scrape

WITHIN_S = 5.0
# 200,000 samples, about.
MAX_BYTES = 16 * 1024 * 1024
# Two scrapes of the slowest usual interval, beside what was missed: an hour of it at most.
SPAN_S, MAX_SPAN_S = 150.0, 3600.0
# Pods that nobody has scraped for so long before a run are as good as new.
KNOWN_S = 3600
# A history is read in such pieces.
PIECE_S = 600.0


class PrometheusSource:
    """One run's evidence. Call `scrape` at least as often as Prometheus scrapes.

    `url` is Prometheus' address, with a path where it has one; `started_at` is when the run began, in Unix
    seconds: pods that are younger have counted everything during it.
    """

    def __init__(
        self, url: str, measured: Measured, session: aiohttp.ClientSession, started_at: float
    ) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._measured = measured
        self._session = session
        self._started_at = started_at
        self._counted = Counted(measured)
        self._jobs: frozenset[str] = frozenset()
        self._older: frozenset[str] | None = None

    async def scrape(self) -> Scrape | None:
        """What is new, None until all that are scraped were scraped again. Raises NoEvidence."""
        now, memory = time.time(), self._counted.memory
        if self._older is None:
            self._older = await self._known()
        newest = max((reading.at for reading in memory.values()), default=now)
        span_s = min(MAX_SPAN_S, SPAN_S + max(0.0, now - newest))
        await self._learn_jobs(now, span_s)
        targets = await self._read(now, span_s)
        groups = self._groups(memory, targets)
        if not matrix.settled(memory, {name: targets[name] for names in groups.values() for name in names}):
            return None
        for what, names in groups.items():
            self._demand_answers(what, {name: targets[name] for name in names})
        found = [
            one for name in targets for one in matrix.readings(self._target(name, targets), targets[name])
        ]
        if not memory:
            found = list({reading.target.key: reading for reading in found}.values())
        return self._counted.scrape(found)

    async def history(self, span_s: float, scrape_s: float) -> list[ArmSample]:
        """Stable's scrapes of the last `span_s` seconds; none across a hole.

        Where Prometheus scrapes less often than every `scrape_s` seconds there are none. Raises NoEvidence.
        """
        now, slots = time.time(), past.Slots(self._measured, scrape_s)
        await self._learn_jobs(now, min(span_s, MAX_SPAN_S))
        begin = now - span_s
        while begin < now:
            end = min(begin + PIECE_S, now)
            targets = await self._read(end, end - begin)
            await asyncio.to_thread(self._fold, slots, targets)
            begin = end
        return slots.samples()

    async def bounds_ms(self) -> tuple[float, ...]:
        """Where buckets end in what all who count requests show; none before one. Raises NoEvidence."""
        buckets = f"{DURATIONS}{{{self._judged()}}}"
        found = await self._ask(f"count by (le) (last_over_time({buckets}[1h]))", time.time())
        counts = {float(one.metric.get("le", "nan")): float(one.value[1]) for one in found if one.value}
        return tuple(sorted(end for end, count in counts.items() if count == max(counts.values())))

    def _fold(self, slots: past.Slots, targets: Mapping[str, Scraped]) -> None:
        every = targets.items()
        slots.add([one for name, found in every for one in matrix.readings(self._plain(name, found), found)])

    async def _read(self, at: float, span_s: float) -> dict[str, Scraped]:
        """Every proxy's scrapes of the last seconds.

        `up` first: a scrape that it tells of is complete in what is asked for after it.
        """
        jobs = f"job=~{one_of(sorted(self._jobs))}" if self._jobs else ""
        span = f"[{math.ceil(span_s * 1000)}ms]"
        up = await self._ask(f"up{{{jobs}}}{span}", at)
        ends = "|".join(["", r"\\+Inf", *(_same_number(edge) for edge in self._measured.edges_ms)])
        names = f"__name__=~{one_of((REQUESTS, DURATIONS))}"
        counters = await self._ask(f'{{{names},le=~"{ends}",{self._judged()}}}{span}', at)
        if self._measured.reporter == "source":
            counters += await self._ask(f"{REQUESTS}{{{self._counted_by('destination')}}}{span}", at)
        return await asyncio.to_thread(_filled, up, counters)

    async def _learn_jobs(self, at: float, span_s: float) -> None:
        """By which jobs proxies are scraped; those of the services themselves are none."""
        seen = f"last_over_time({REQUESTS}{{{self._requests_to_arms()}}}[{math.ceil(span_s * 1000)}ms])"
        found = await self._ask(f"group by (job) ({seen})", at)
        self._jobs |= {one.metric.get("job", "") for one in found}

    async def _known(self) -> frozenset[str]:
        """The targets that are older than the run."""
        found = await self._ask(f"last_over_time(up[{KNOWN_S}s])", self._started_at)
        return frozenset(matrix.key(one.metric) for one in found)

    def _groups(self, memory: Memory, targets: Mapping[str, Scraped]) -> dict[str, set[str]]:
        """The targets that matter: pods of both arms, and their callers. Raises NoEvidence without stable."""
        measured, arms = self._measured, (self._measured.stable, self._measured.canary)
        stable, canary = (
            {name for name, one in targets.items() if self._version(one) == version} for version in arms
        )
        if not stable:
            raise NoEvidence(f"Prometheus knows no pod of {measured.app} {measured.stable}")
        callers = {
            name
            for name, one in targets.items()
            if (name in memory and calls(memory[name].values, measured))
            or any(calls(values, measured) for values in one.values.values())
        }
        passed = matrix.passed_over(targets)
        groups = {f"pods of {measured.app} {measured.stable}": stable}
        groups[f"pods of {measured.app} {measured.canary}"] = canary
        groups[f"proxies that call {measured.service}"] = callers
        return {what: names - passed for what, names in groups.items()}

    def _demand_answers(self, what: str, targets: Mapping[str, Scraped]) -> None:
        answered = [name for name, one in targets.items() if one.answers]
        if why := too_silent(what, answered, targets.keys() - set(answered)):
            raise NoEvidence(why)

    def _version(self, found: Scraped) -> str:
        return matrix.version_of(found.labels, self._measured)

    def _plain(self, name: str, found: Scraped) -> Target:
        return Target(name, found.labels.get("pod") or name, self._version(found))

    def _target(self, name: str, targets: Mapping[str, Scraped]) -> Target:
        """One that nobody had seen before the run is new, if somebody looked then."""
        plain, memory = self._plain(name, targets[name]), self._counted.memory
        if not self._older or name in self._older or name in memory or not memory:
            return plain
        last = max(reading.at for reading in memory.values())
        return replace(plain, born=max(self._started_at, last))

    def _judged(self) -> str:
        return self._counted_by(self._measured.reporter)

    def _counted_by(self, reporter: str) -> str:
        method = f",request_method={quoted(self._measured.method)}" if self._measured.method else ""
        return f"reporter={quoted(reporter)},{self._requests_to_arms()}{method}"

    def _requests_to_arms(self) -> str:
        measured = self._measured
        return (
            f"destination_service_name={quoted(measured.service)},"
            f"destination_service_namespace={quoted(measured.namespace)},"
            f"destination_version=~{one_of((measured.stable, measured.canary))}"
        )

    async def _ask(self, query: str, at: float) -> list[Found]:
        status, text = await bounded.get(
            self._session,
            self._url,
            {"query": query, "time": f"{at:.3f}", "timeout": f"{WITHIN_S:g}s"},
            within_s=WITHIN_S,
            max_bytes=MAX_BYTES,
            who="Prometheus",
        )
        if status != 200 and not text.lstrip().startswith(b"{"):
            raise NoEvidence(f"Prometheus answered with {status}")
        return await asyncio.to_thread(matrix.decode, text)


def _filled(up: Sequence[Found], counters: Sequence[Found]) -> dict[str, Scraped]:
    targets = matrix.scraped(up)
    matrix.fill(targets, counters)
    return targets


def _same_number(edge: float) -> str:
    """A bucket's edge as Prometheus 2 and 3 write it: 25, 25.0."""
    digits = f"{edge:g}" if edge == float(f"{edge:g}") else repr(edge)
    return digits.replace(".", r"\\.") if "." in digits else digits + r"(\\.0)?"

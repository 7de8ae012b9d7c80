"""The slowest requests, each with its trace: looked up while the load runs, since Jaeger forgets old ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from delinkcious import tracing
from delinkcious.load.target import Target
from delinkcious.load.words import in_words
from loadtest.tally import Sample, slowest
from telemetry.jaeger import Jaeger, JaegerUnavailable, open_jaeger

# Proxies and services send their spans within about a second.
SETTLES_S = 3.0
AT_THE_END_S = 15.0


class Slow(msgspec.Struct, frozen=True):
    """One of the slowest requests. `waited_ms` of `took_ms` it had not left yet; `pages` show its trace.

    `explained`: its critical path in words, "" when there is no trace; `why_not` then says why.
    """

    name: str
    journey: str
    at: float
    took_ms: float
    waited_ms: float
    outcome: str
    trace_id: str
    pages: list[str]
    explained: str
    why_not: str
    whole: bool


class SlowRequests:
    """Follows who is slowest, and asks Jaeger for each once its spans have had time to come."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._slowest: list[Sample] = []
        self._found: dict[str, tuple[str, bool]] = {}

    def add(self, samples: Iterable[Sample]) -> None:
        self._slowest = slowest([*self._slowest, *samples])

    async def follow(self) -> None:
        """Look up traces until cancelled."""
        while self._target.jaeger:
            with suppress(JaegerUnavailable):
                async with open_jaeger(self._target.jaeger) as jaeger:
                    while True:
                        await self._look(jaeger)
                        await asyncio.sleep(1.0)
            await asyncio.sleep(1.0)

    async def _look(self, jaeger: Jaeger) -> None:
        for sample in self._slowest:
            settled = time.time() > sample.at + sample.took_s + SETTLES_S
            if not self._is_open(sample) or not settled:
                continue
            if (trace := await jaeger.trace(sample.trace_id)) is not None:
                explained = in_words(trace, sample.took_s * 1e3)
                self._found[sample.trace_id] = explained, tracing.is_connected(trace)

    async def finish(self) -> list[Slow]:
        """All of them, with what could be found of each."""
        unavailable = ""
        if self._target.jaeger:
            try:
                async with asyncio.timeout(AT_THE_END_S), open_jaeger(self._target.jaeger) as jaeger:
                    while any(self._is_open(sample) for sample in self._slowest):
                        await self._look(jaeger)
                        await asyncio.sleep(0.5)
            except TimeoutError:
                pass
            except JaegerUnavailable as error:
                unavailable = str(error)
        return [self._slow(sample, unavailable) for sample in self._slowest]

    def _is_open(self, sample: Sample) -> bool:
        _, whole = self._found.get(sample.trace_id, ("", False))
        return bool(sample.trace_id) and not whole

    def _slow(self, sample: Sample, unavailable: str) -> Slow:
        explained, whole = self._found.get(sample.trace_id, ("", False))
        if explained:
            why_not = ""
        elif not sample.trace_id:
            why_not = "it was not sampled"
        elif not self._target.jaeger:
            why_not = "there is no Jaeger to ask"
        else:
            why_not = unavailable or "Jaeger has nothing of it"
        return Slow(
            sample.name,
            sample.journey,
            round(sample.at, 3),
            round(sample.took_s * 1e3, 1),
            round(sample.waited_s * 1e3, 1),
            sample.outcome,
            sample.trace_id,
            self._target.pages(sample.trace_id) if explained else [],
            explained,
            why_not,
            whole,
        )

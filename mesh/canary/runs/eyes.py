"""What a run sees: evidence at its pace, and what it writes down of it."""

from __future__ import annotations

import contextlib
import math

import numpy as np

from mesh.canary.decision import Observation
from mesh.canary.dispersion import over_time
from mesh.canary.ladder import UNMEASURED
from mesh.canary.model import ArmSample
from mesh.canary.platform import PlatformError
from mesh.canary.runs.hands import Around, Hands
from mesh.canary.runs.journal import Scraped
from mesh.canary.runs.run import Run
from mesh.canary.runs.traffic import NotASplit
from mesh.canary.signals import NoEvidence, Scrape, Source

# So many scrapes a warm-up has to see before anything is decided.
WARM_SCRAPES = 3
# What a rate of requests is taken from, in scrapes.
RECENT = 12
# In fewer scrapes a stall, or the start of an installation, weighs too much, and calm is chance.
SHORT = 360


class Eyes:
    """Those of one run."""

    def __init__(self, run: Run, around: Around, hands: Hands) -> None:
        self.run = run
        self._around = around
        self._hands = hands
        self._warm: list[Scrape] = []
        self._judged: list[Scrape] = []
        self._due_at = -math.inf

    # Before anything is decided.

    async def rate(self) -> float | None:
        """Requests/s that stable had in the last scrapes, None where they were too few to tell."""
        with contextlib.suppress(NoEvidence):
            if (scrape := await self.scrape()) is not None:
                self._warm = [*self._warm[1 - RECENT :], scrape]
        if len(self._warm) < WARM_SCRAPES:
            return None
        spent = self._warm[-1].until - self._warm[0].since
        return sum(scrape.stable.requests for scrape in self._warm) / max(spent, 1e-9)

    def forget(self) -> None:
        """What was seen before something changed."""
        self._warm = []

    @property
    def source(self) -> Source:
        return self._around.mirrored if self.run.copies else self._around.source

    async def history(self) -> list[ArmSample]:
        analysis, load = self.run.spec.analysis, self.run.spec.load
        kept: list[ArmSample] = []
        if load is None or not self.run.scaled.get(load.deployment):  # else the past was another one
            with contextlib.suppress(NoEvidence):
                kept = await self.source.history(analysis.history_s, analysis.scrape_interval_s)
        return kept or [scrape.stable for scrape in self._warm]

    async def judge(self, *, proves: bool) -> bool:
        """One scrape into the decision, when it is time; whether it was."""
        try:
            scrape = await self.scrape()
        except NoEvidence as error:
            self._scraped(None, str(error))
            return True
        if scrape is None:
            return False
        self._judged = [*self._judged[1 - RECENT :], scrape]
        try:
            ours = await self._is_ours()
        except (PlatformError, NotASplit):  # what was measured counts all the same
            ours = False
        self._scraped(self._observation(scrape, proves=proves and ours), "")
        return True

    def lacks(self, rps: float) -> bool:
        """Whether both versions had fewer requests/s than that in the last scrapes that were judged."""
        spent = sum(scrape.until - scrape.since for scrape in self._judged)
        requests = sum(scrape.stable.requests + scrape.canary.requests for scrape in self._judged)
        return len(self._judged) == RECENT and requests < rps * spent

    async def scrape(self) -> Scrape | None:
        """The next one when it is time, None while it is not. Raises NoEvidence once an interval."""
        now, every = self._around.steady(), self.run.spec.analysis.scrape_interval_s
        if now < self._due_at:
            return None
        following = max(self._due_at + every, now + every / 2)  # late ones do not pile up
        try:
            scrape = await self.source.scrape()
        except NoEvidence:
            self._due_at = following
            raise
        if scrape is None and (math.isinf(self._due_at) or now - self._due_at <= every):
            self._due_at = now if math.isinf(self._due_at) else self._due_at
            return None
        self._due_at = following
        if scrape is None:
            raise NoEvidence("the counters have not been read again")
        if scrape.until <= self.run.scraped_at:
            raise NoEvidence("the clock of the counters went back")
        return scrape

    def _scraped(self, observation: Observation | None, failed: str) -> None:
        decider = self.run.decider
        if decider is None:
            raise AssertionError("a run is judged before it has learned")
        decision = decider.decision
        if not self.run.is_decided:
            # The event holds what the decision will be once it is folded: a copy decides first.
            decision = type(decider).loads(decider.dumps()).observe(observation)
        now = self._hands.now()
        self._hands.happen(Scraped(at=now, observation=observation, failed=failed, decision=decision))

    def _observation(self, scrape: Scrape, *, proves: bool) -> Observation:
        """`whole_step` only where the weight was in force from the oldest counter on, and proof may count."""
        run = self.run
        weight = run.percent / 100
        mirror = run.spec.mirrors
        if mirror is not None and run.traffic is not None and run.traffic.mirror:
            weight = mirror.share
        elif run.traffic is not None and run.traffic.header:
            total = scrape.stable.requests + scrape.canary.requests
            weight = scrape.canary.requests / total if total else 0.0
        whole = proves and run.traffic is not None and scrape.since >= run.written_at
        return Observation(scrape.until, weight, whole, scrape.stable, scrape.canary)

    async def _is_ours(self) -> bool:
        """Whether the weights are still those that were written; tells once who else has been there."""
        return self.run.traffic is not None and await self._hands.put(self.run.traffic)


def tail_dispersion(history: list[ArmSample]) -> float:
    """How stable's slow requests cluster: a stall makes a batch of them, and is no difference of versions."""
    if len(history) < SHORT:
        return UNMEASURED
    n = np.array([float(sample.requests) for sample in history])
    k = np.array([sample.slow for sample in history], dtype=float)
    return over_time(n, k, UNMEASURED)

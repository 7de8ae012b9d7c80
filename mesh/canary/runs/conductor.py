"""Takes a run one turn further: what has happened is in the journal, what is missing is done now.

A turn may be cut off anywhere, by a kill or by a platform that is away: the next one looks at the world and
goes on. Nothing is remembered that is not in the journal but warm-up scrapes, which are measured anew.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable

from mesh.canary.decision import Observation
from mesh.canary.model import ArmSample
from mesh.canary.platform import Away, Pod
from mesh.canary.runs.hands import Around, Hands
from mesh.canary.runs.journal import (
    Commanded,
    Learned,
    Replaced,
    Scraped,
    Stage,
)
from mesh.canary.runs.run import Run
from mesh.canary.runs.traffic import Traffic
from mesh.canary.signals import NoEvidence, Scrape

# Between looks at pods and gates; evidence has its own pace.
LOOK_S = 1.0
# So many scrapes a warm-up has to see before anything is decided.
WARM_SCRAPES = 3
# Without traffic before the run there is nothing to compare with: so long it is waited for.
TRAFFIC_WITHIN_S = 3600.0


class Conductor:
    """Drives one run. Raises Away, PlatformError and OSError: the next turn tries again."""

    def __init__(self, run: Run, around: Around) -> None:
        self.run = run
        self._around = around
        self._hands = Hands(run, around)
        self._warm: list[Scrape] = []
        self._due_at = -math.inf
        self._stages: dict[Stage, Callable[[], Awaitable[None]]] = {
            "preparing": self._prepare,
            "warming": self._warm_up,
            "trying": self._try,
            "stepping": self._step,
            "promoting": self._promote,
            "retreating": self._retreat,
        }

    async def turn(self) -> float:
        """Do what can be done now; returns the seconds until there may be more."""
        self._listen()
        if not self.run.ended:
            await self._stages[self.run.stage]()
        return min(LOOK_S, self.run.spec.analysis.scrape_interval_s)

    # What people say.

    def _listen(self) -> None:
        for number, said in self._around.heard(self.run.commands):
            now = self._hands.now()
            self._hands.happen(Commanded(at=now, number=number, verb=said.verb, by=said.by, gate=said.gate))
        if self.run.ordered is None or self.run.stage in ("retreating", "ended"):
            return
        verb, by = self.run.ordered
        if verb == "abort":
            self._hands.leave("aborted", f"aborted by {by}")
        elif self.run.stage != "promoting":
            self._hands.enter("promoting", f"promoted by {by}, not by proof")

    # The stages, in their order.

    async def _prepare(self) -> None:
        """The canary's pods, ready; nothing is sent to them."""
        if not await self._hands.gates_open("start"):
            return
        run = self.run
        if run.spec.dry_run:
            return self._hands.enter("warming", "a dry run: nothing is created and no weight is written")
        if run.scaled_at is None:
            await self._around.platform.apply_deployment(run.began.deployment)
        pods = await self._hands.canary_pods(run.spec.pods.least)
        if all(pod.ready for pod in pods) and len(pods) >= run.spec.pods.least:
            return self._hands.enter(
                "warming", f"{len(pods)} canary {'pod is' if len(pods) == 1 else 'pods are'} ready"
            )
        self._give_up_unready(pods)

    async def _warm_up(self) -> None:
        """Let new pods settle, and learn what stable is like."""
        run, now = self.run, self._hands.now()
        pods: list[Pod] = []
        if not run.spec.dry_run:
            pods = await self._hands.canary_pods(run.spec.pods.least)
            if not all(pod.ready for pod in pods) or len(pods) < run.spec.pods.least:
                return self._give_up_unready(pods)
        with contextlib.suppress(NoEvidence):
            if (scrape := await self._scrape()) is not None:
                self._warm.append(scrape)
        since = max((pod.ready_at or now for pod in pods), default=run.entered_at)
        if now - since < run.spec.analysis.warm_up_s or len(self._warm) < WARM_SCRAPES:
            return
        spent = self._warm[-1].until - self._warm[0].since
        rps = sum(scrape.stable.requests for scrape in self._warm) / max(spent, 1e-9)
        if not rps and not run.spec.analysis.expected_rps:
            if now - run.entered_at > TRAFFIC_WITHIN_S:
                self._hands.leave("inconclusive", f"no request came within {TRAFFIC_WITHIN_S:.0f} s")
            return
        expected = run.spec.analysis.expected_rps or rps
        history = await self._history()
        self._hands.happen(Learned(at=now, history=tuple(history), expected_rps=expected))
        first: Stage = "trying" if run.spec.trial is not None else "stepping"
        self._hands.enter(first, f"learned from {len(history)} scrapes, {expected:.3g} requests/s")

    async def _history(self) -> list[ArmSample]:
        analysis = self.run.spec.analysis
        kept = await self._around.source.history(analysis.history_s, analysis.scrape_interval_s)
        return kept or [scrape.stable for scrape in self._warm]

    async def _try(self) -> None:
        """Only requests with the header or cookie go to the canary; it can fall, and nothing is proven."""
        if not await self._hands.put(Traffic(0, header=True)):
            return
        await self._judge(proves=False)
        trial = self.run.spec.trial
        if self.run.stage != "trying" or trial is None:
            return
        if self._hands.now() - self.run.written_at >= trial.for_s:
            self._hands.enter("stepping", f"requests with {trial.name} were served")

    async def _step(self) -> None:
        """Evidence, a decision, and the weight that follows from it."""
        await self._judge(proves=await self._may_prove())
        decision = self.run.decision
        if self.run.stage != "stepping" or decision is None:
            return
        await self._replace_culprit()
        wanted = round(decision.weight * 100)
        if wanted > self.run.percent:
            if self.run.paused or (self.run.percent and not await self._hands.gates_open("step")):
                return
            pods = [] if self.run.spec.dry_run else await self._hands.canary_pods(self._hands.needed(wanted))
            if len([pod for pod in pods if pod.ready]) < len(pods):
                return
        await self._hands.put(Traffic(wanted))

    async def _may_prove(self) -> bool:
        """Proof of the last step promotes, so it does not count before a person and the gates let it."""
        if self.run.decider is None or not self.run.decider.at_last_step:
            return True
        return not self.run.paused and await self._hands.gates_open("promotion")

    async def _judge(self, *, proves: bool) -> None:
        """One scrape into the decision; leaves the stage when that is the end."""
        try:
            scrape = await self._scrape()
        except NoEvidence as error:
            self._scraped(None, str(error))
            return
        if scrape is None:
            return
        try:
            ours = await self._is_ours()
        except Away:  # what was measured counts all the same
            ours = False
        self._scraped(self._observation(scrape, proves=proves and ours), "")

    async def _scrape(self) -> Scrape | None:
        """The next one when it is time, None while it is not. Raises NoEvidence once an interval."""
        now, every = self._hands.now(), self.run.spec.analysis.scrape_interval_s
        if now < self._due_at:
            return None
        following = max(self._due_at + every, now + every / 2)  # late ones do not pile up
        try:
            scrape = await self._around.source.scrape()
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
        if self.run.stage == "promoting":
            decision = decider.decision
        else:
            # The event holds what the decision will be once it is folded: a copy decides first.
            decision = type(decider).loads(decider.dumps()).observe(observation)
        now = self._hands.now()
        self._hands.happen(Scraped(at=now, observation=observation, failed=failed, decision=decision))
        if self.run.stage == "promoting":
            return
        if decision.phase == "promoted":
            self._hands.enter("promoting", decision.reason)
        elif decision.phase == "rolled_back":
            self._hands.leave("rolled_back", decision.reason)
        elif decision.phase == "inconclusive" and decision.weight == 0:
            self._hands.leave("inconclusive", decision.reason)

    def _observation(self, scrape: Scrape, *, proves: bool) -> Observation:
        """`whole_step` only where the weight was in force from the oldest counter on, and proof may count."""
        run = self.run
        weight = run.percent / 100
        if run.traffic is not None and run.traffic.header:
            total = scrape.stable.requests + scrape.canary.requests
            weight = scrape.canary.requests / total if total else 0.0
        whole = proves and run.traffic is not None and scrape.since >= run.written_at
        return Observation(scrape.until, weight, whole, scrape.stable, scrape.canary)

    async def _promote(self) -> None:
        """All traffic, while stable's pods stay; they go when the canary has stood alone for a while."""
        run = self.run
        if run.spec.dry_run:
            return self._hands.end("promoted", run.why)
        if run.decider is not None and run.traffic is not None:
            await self._judge(proves=False)
        if run.bake.fails:
            return self._hands.leave("rolled_back", "the canary alone misses the objective")
        pods = await self._hands.canary_pods(run.began.replicas)
        if any(not pod.ready for pod in pods) and run.percent < 100:
            return self._give_up_unready(pods)
        if not await self._hands.put(Traffic(100), insist=True):
            return
        alone_s = self._hands.now() - run.written_at
        if alone_s < run.spec.timeouts.drain_s or not await self._hands.gates_open("end"):
            return
        await self._hands.scale(run.began.base, 0)
        self._hands.end("promoted", run.why)

    async def _retreat(self) -> None:
        """No traffic, then time for what is under way, then no pods."""
        run = self.run
        if not run.spec.dry_run:
            if not await self._hands.put(Traffic(0), insist=True):
                return
            # Before anything was learned nothing was sent that is under way.
            if run.decider is not None and self._hands.now() - run.written_at < run.spec.timeouts.drain_s:
                return
            await self._hands.scale(run.began.name, 0)
        self._hands.end(run.verdict or "aborted", run.why)

    def _give_up_unready(self, pods: list[Pod]) -> None:
        run = self.run
        since = max(run.entered_at, run.scaled_at or 0.0)
        if self._hands.now() - since <= run.spec.timeouts.ready_s:
            return
        trouble = next((pod.trouble for pod in pods if not pod.ready and pod.trouble), "")
        ready = sum(pod.ready for pod in pods)
        sentence = f"{ready} of {len(pods)} canary pods are ready after {run.spec.timeouts.ready_s:g} s"
        self._hands.leave("rolled_back", f"{sentence}: {trouble}" if trouble else sentence)

    async def _replace_culprit(self) -> None:
        """A policy, not a test: a bad node is no bad version."""
        name = self.run.culprit
        if name is not None and not self.run.spec.dry_run:
            errors = self.run.pods[name].errors
            self._hands.happen(Replaced(at=self._hands.now(), pod=name, errors=errors))
            await self._around.platform.replace_pod(name)

    async def _is_ours(self) -> bool:
        """Whether the weights are still those that were written; tells once who else has been there."""
        return self.run.traffic is not None and await self._hands.put(self.run.traffic)

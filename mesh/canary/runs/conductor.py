"""Takes a run one turn further: what has happened is in the journal, what is missing is done now.

A turn may be cut off anywhere, by a kill or by a platform that is away: the next one looks at the world and
goes on. Nothing is remembered that is not in the journal but warm-up scrapes, which are measured anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mesh.canary.platform import Away, Pod
from mesh.canary.runs.eyes import Eyes, tail_dispersion
from mesh.canary.runs.hands import Around, Hands
from mesh.canary.runs.journal import (
    Commanded,
    Learned,
    Replaced,
    Stage,
)
from mesh.canary.runs.run import FINAL, Run
from mesh.canary.runs.starting import differences, labels
from mesh.canary.runs.traffic import Traffic

# Between looks at pods and gates; evidence has its own pace.
LOOK_S = 1.0
# Without traffic before the run there is nothing to compare with: so long it is waited for.
TRAFFIC_WITHIN_S = 3600.0
# A canary with all requests that nobody can see is taken back after so long.
UNSEEN_S = 600.0
# So many commands are taken at one look.
COMMANDS = 100
ANOTHER = "the canary's Deployment was changed: that is a new run"


class Conductor:
    """Drives one run. Raises Away, PlatformError and OSError: the next turn tries again."""

    def __init__(self, run: Run, around: Around) -> None:
        self.run = run
        self._around = around
        self._hands = Hands(run, around)
        self._eyes = Eyes(run, around, self._hands)
        self._unready_at: float | None = None
        self._comes_by_load = False
        self._stages: dict[Stage, Callable[[], Awaitable[None]]] = {
            "preparing": self._prepare,
            "warming": self._warm_up,
            "mirroring": self._mirror,
            "trying": self._try,
            "stepping": self._step,
            "promoting": self._promote,
            "retreating": self._retreat,
        }

    async def turn(self) -> float:
        """Do what can be done now; returns the seconds until there may be more."""
        self._listen()
        try:
            if not self.run.ended:
                await self._stages[self.run.stage]()
                await self._load()
        except Away:
            self._unready_at = None  # nobody knows how the pods were meanwhile
            raise
        return min(LOOK_S, self.run.spec.analysis.scrape_interval_s)

    # What people say.

    def _listen(self) -> None:
        for number, said in self._around.heard(self.run.commands)[:COMMANDS]:
            now = self._hands.now()
            self._hands.happen(Commanded(at=now, number=number, verb=said.verb, by=said.by, gate=said.gate))
        if self.run.ordered is None or self.run.stage in ("retreating", "ended"):
            return
        verb, by = self.run.ordered
        if verb == "abort":
            self._hands.leave("aborted", f"aborted by {by}")
        elif self.run.stage != "promoting" and self.run.decider is not None:
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
        if self._are_ready(pods):
            return self._hands.enter(
                "warming", f"{len(pods)} canary {'pod is' if len(pods) == 1 else 'pods are'} ready"
            )

    async def _warm_up(self) -> None:
        """Let new pods settle, and learn what stable is like."""
        run, now = self.run, self._hands.now()
        pods: list[Pod] = []
        if not run.spec.dry_run:
            if run.traffic is not None and not await self._hands.put(Traffic(0)):
                return
            pods = await self._hands.canary_pods(run.spec.pods.least)
            if not self._are_ready(pods):
                return
        rps = await self._eyes.rate()
        since = max((pod.ready_at or now for pod in pods), default=run.entered_at)
        if now - since < run.spec.analysis.warm_up_s or rps is None:
            return
        if not await self._comes(rps):
            if now - run.entered_at > TRAFFIC_WITHIN_S:
                self._hands.leave("inconclusive", f"no request came within {TRAFFIC_WITHIN_S:.0f} s")
            return
        expected = rps if run.copies else run.spec.analysis.expected_rps or rps
        history = await self._eyes.history()
        tails = tail_dispersion(history)
        learned = Learned(at=now, history=tuple(history), expected_rps=expected, tail_dispersion=tails)
        self._hands.happen(learned)
        first: Stage = "stepping" if run.spec.trial is None or run.spec.dry_run else "trying"
        self._eyes.forget()
        self._hands.enter(
            "mirroring" if run.copies else first,
            f"learned from {len(history)} scrapes, {expected:.3g} requests/s",
        )

    async def _comes(self, rps: float) -> bool:
        """Whether there is traffic to judge by; where there is too little, some is made if that was asked."""
        load, scaled = self.run.spec.load, self.run.scaled
        if (
            load is None
            or self.run.spec.dry_run
            or (rps >= load.below_rps and not scaled.get(load.deployment))
        ):
            # What a person expects are all requests, which says nothing of those that are copied.
            return rps > 0 or (self.run.spec.analysis.expected_rps is not None and not self.run.copies)
        if not scaled.get(load.deployment):
            self._eyes.forget()
            self._hands.ask_for_load(load)
        if rps >= load.below_rps and not self._comes_by_load:
            self._comes_by_load = True
            self._eyes.forget()  # it has begun in these scrapes, and was less than it will be
            return False
        return rps >= load.below_rps

    async def _load(self) -> None:
        """Have some while the run lasts: what there was may have been for another run, which has ended."""
        load, run = self.run.spec.load, self.run
        if load is None or run.spec.dry_run:
            return
        if run.stage in ("mirroring", "trying", "stepping", "promoting") and self._eyes.lacks(load.below_rps):
            self._hands.ask_for_load(load)
        await self._hands.keep_load(load)

    async def _mirror(self) -> None:
        """Copies of requests go to the canary: whatever it makes of them, it harms nobody."""
        leads_to_all = self.run.spec.strategy == "blueGreen"
        proves = not self.run.paused and (not leads_to_all or await self._hands.gates_open("promotion"))
        judged = await self._eyes.judge(proves=proves)
        decision, mirror = self.run.decision, self.run.spec.mirrors
        if self._follow() or decision is None or mirror is None:
            return
        if judged and await self._is_another():
            return self._hands.leave("inconclusive", ANOTHER)
        await self._replace_culprit()
        if not decision.weight:  # stable fails: copies may be why, as they ask for what both versions need
            await self._hands.put(Traffic(0))
        elif self._are_ready(await self._hands.canary_pods(self._hands.needed(mirror.percent))):
            await self._hands.put(Traffic(0, mirror=True))

    async def _try(self) -> None:
        """Only requests with the header or cookie go to the canary; it can fall, and nothing is proven."""
        await self._eyes.judge(proves=False)
        if self._follow() or not await self._hands.put(Traffic(0, header=True)):
            return
        trial = self.run.spec.trial
        if trial is not None and self._hands.now() - self.run.written_at >= trial.for_s:
            self._hands.enter("stepping", f"requests with {trial.name} were served")

    async def _step(self) -> None:
        """Evidence, a decision, and the weight that follows from it."""
        judged = await self._eyes.judge(proves=await self._may_prove())
        decision = self.run.decision
        if self._follow() or decision is None:
            return
        if self.run.bake.fails:  # held, and nothing is compared any more
            return self._hands.leave("rolled_back", "the canary misses the objective while stable keeps it")
        if judged and await self._is_another():
            return self._hands.leave("inconclusive", ANOTHER)
        await self._replace_culprit()
        wanted = round(decision.weight * 100)
        if wanted > self.run.percent:
            if self.run.paused or (self.run.percent and not await self._hands.gates_open("step")):
                return
            pods = [] if self.run.spec.dry_run else await self._hands.canary_pods(self._hands.needed(wanted))
            if not all(pod.ready for pod in pods):
                return
        await self._hands.put(Traffic(wanted))

    async def _may_prove(self) -> bool:
        """Proof of the last step promotes, so it does not count before a person and the gates let it."""
        if self.run.decider is None or not self.run.decider.at_last_step:
            return True
        return not self.run.paused and await self._hands.gates_open("promotion")

    def _follow(self) -> bool:
        """Leave the stage when the decision says so: also the one of a process that died before it did.

        A promotion because time is up outwaits no pause and no closed gate: both keep proof out.
        """
        decision, run = self.run.decision, self.run
        if decision is None or decision.phase not in FINAL:
            return False
        closed = [gate.gate for gate in run.gates.values() if not gate.open]
        if decision.phase == "rolled_back":
            self._hands.leave("rolled_back", decision.reason)
        elif decision.phase == "promoted" and (run.paused or closed):
            why = run.paused or f"gate {closed[0]} is closed"
            self._hands.leave("inconclusive", f"time is up without proof, and {why}")
        elif decision.phase == "promoted" and run.copies and run.spec.strategy != "blueGreen":
            self._hands.enter("warming", f"by copies: {decision.reason}")
            return True
        elif decision.phase == "promoted":
            self._hands.enter("promoting", decision.reason)
        elif decision.weight == 0 or run.copies:
            self._hands.leave("inconclusive", decision.reason)
        return run.stage in ("promoting", "retreating")

    async def _promote(self) -> None:
        """All traffic, while stable's pods stay: they go when the canary has been judged alone."""
        run, hands = self.run, self._hands
        if run.spec.dry_run:
            return await hands.end("promoted", run.why)
        if run.traffic is not None:
            await self._eyes.judge(proves=True)
        if run.bake.fails:
            return hands.leave("rolled_back", "the canary alone misses the objective")
        if run.percent == 100 and hands.now() - max(run.written_at, run.scraped_at) > UNSEEN_S:
            return hands.leave(
                "inconclusive", f"the canary has all requests, and no data for {UNSEEN_S:.0f} s"
            )
        replicas = max(run.began.replicas, len(await hands.stable_pods()))
        if not self._are_ready(await hands.canary_pods(replicas)) or run.paused:
            return
        if not await hands.put(Traffic(100)) or not run.bake.is_done:
            return
        if hands.now() - run.written_at < run.spec.timeouts.drain_s or not await hands.gates_open("end"):
            return
        await hands.scale(run.began.base, 0)
        await hands.end("promoted", run.why)

    async def _retreat(self) -> None:
        """Stable's pods back where a promotion took them; no traffic; time for what is under way; no pods."""
        run, hands = self.run, self._hands
        if not run.spec.dry_run:
            if run.promoting and not await hands.bring_back():
                return
            if not await hands.put(Traffic(0), insist=True):
                return
            # What only had copies has nothing under way that anybody waits for.
            if run.served and hands.now() - run.written_at < run.spec.timeouts.drain_s:
                return
            await hands.scale(run.began.name, 0)
        await hands.end(run.verdict or "aborted", run.why)

    def _are_ready(self, pods: list[Pod]) -> bool:
        """Whether all are; gives up when they have been seen unready for too long."""
        run, now = self.run, self._around.steady()
        if all(pod.ready for pod in pods):
            self._unready_at = None
            return True
        self._unready_at = now if self._unready_at is None else self._unready_at
        if now - self._unready_at > run.spec.timeouts.ready_s:
            trouble = next((pod.trouble for pod in pods if not pod.ready and pod.trouble), "")
            ready = sum(pod.ready for pod in pods)
            sentence = f"{ready} of {len(pods)} canary pods are ready after {run.spec.timeouts.ready_s:g} s"
            self._hands.leave("rolled_back", f"{sentence}: {trouble}" if trouble else sentence)
        return False

    async def _is_another(self) -> bool:
        """Whether somebody has changed what the canary's pods are made of, or taken the Deployment away."""
        began = self.run.began
        if self.run.spec.dry_run:
            return False
        there = await self._around.platform.deployments(labels(self.run.spec.service, began.canary))
        bodies = [each.body for each in there if each.body["metadata"]["name"] == began.name]
        return not bodies or bool(differences(began.deployment, bodies[0]))

    async def _replace_culprit(self) -> None:
        """A policy, not a test: a bad node is no bad version."""
        name = self.run.culprit
        if name is not None and not self.run.spec.dry_run:
            errors = self.run.pods[name].errors
            self._hands.happen(Replaced(at=self._hands.now(), pod=name, errors=errors))
            await self._around.platform.replace_pod(name)

    def close(self) -> None:
        """Let go of what is still being asked."""
        self._hands.close()

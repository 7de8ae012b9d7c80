"""What a run does to the world: pods, weights, gates; and what it writes down of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mesh.canary.platform import Conflict, Platform, PlatformError, Pod
from mesh.canary.runs import traffic as routes
from mesh.canary.runs.folder import Said
from mesh.canary.runs.gates import Answer
from mesh.canary.runs.journal import (
    Ended,
    Entered,
    Event,
    Gated,
    Overwritten,
    Scaled,
    Stage,
    Verdict,
    Written,
)
from mesh.canary.runs.rollout import Gate, Moment, Query, Webhook
from mesh.canary.runs.run import OVERWRITTEN, Run
from mesh.canary.runs.starting import labels
from mesh.canary.runs.traffic import NotASplit, Traffic
from mesh.canary.signals import Source

INSISTENCE = 5
ASK_EVERY_S = 5.0


class Asks(Protocol):
    """Whoever asks a gate."""

    async def ask(self, gate: Gate, run: Run, moment: Moment) -> Answer: ...


@dataclass(frozen=True)
class Around:
    """What a run is driven with: `clock` in Unix seconds, `heard` the commands behind the first so many."""

    platform: Platform
    source: Source
    gates: Asks
    clock: Callable[[], float]
    record: Callable[[Event], None]
    heard: Callable[[int], list[tuple[int, Said]]]


class Hands:
    """Those of one run."""

    def __init__(self, run: Run, around: Around) -> None:
        self.run = run
        self.around = around
        self._asked_at: dict[str, float] = {}

    def now(self) -> float:
        return self.around.clock()

    def happen(self, event: Event) -> None:
        """Write it down, then let it be so."""
        self.around.record(event)
        self.run.take(event)

    def enter(self, stage: Stage, why: str) -> None:
        self.happen(Entered(at=self.now(), stage=stage, why=why))

    def leave(self, verdict: Verdict, why: str) -> None:
        self.happen(Entered(at=self.now(), stage="retreating", why=why, verdict=verdict))

    def end(self, verdict: Verdict, reason: str) -> None:
        self.happen(Ended(at=self.now(), verdict=verdict, reason=reason))

    # Pods.

    def needed(self, percent: float) -> int:
        pods = self.run.spec.pods
        return min(pods.most, max(pods.least, math.ceil(self.run.began.replicas * percent / 100)))

    async def canary_pods(self, wanted: int) -> list[Pod]:
        """The canary's pods, once so many were asked for; one that is missing counts as not ready."""
        run = self.run
        name = run.began.name
        await self.scale(name, wanted, least=True)
        pods = await self.around.platform.pods(labels(run.spec.service, run.began.canary))
        if others := {pod.deployment for pod in pods} - {name}:
            raise PlatformError(f"{', '.join(others)} has pods in subset {run.began.canary}: scale it to 0")
        missing = wanted - len(pods)
        return [*pods, *(Pod(f"missing-{number}", name, False, None, 0) for number in range(missing))]

    async def scale(self, deployment: str, replicas: int, *, least: bool = False) -> None:
        asked = self.run.scaled.get(deployment)
        if asked == replicas or (least and asked is not None and asked >= replicas):
            return
        await self.around.platform.scale(deployment, replicas)
        self.happen(Scaled(at=self.now(), deployment=deployment, replicas=replicas))

    async def put(self, wanted: Traffic, *, insist: bool = False) -> bool:
        """Whether that is in force now. A foreign change is set right once; `insist` always does."""
        run, platform = self.run, self.around.platform
        for _ in range(INSISTENCE if insist else 1):
            stored = await platform.virtual_service(run.spec.routes)
            stable, canary = run.began.stable, run.began.canary
            try:
                found = routes.read(stored.body, stable, canary)
            except NotASplit:
                found = None
            if found is not None and found != run.traffic and (found == wanted or run.spec.dry_run):
                self._written(found, stored.version)  # written, and cut off before it was noted
            if found == wanted or run.spec.dry_run:
                return found == wanted
            if run.traffic is not None and found != run.traffic:
                if run.paused != OVERWRITTEN:
                    self.happen(Overwritten(at=self.now(), percent=found.percent if found else None))
                if run.paused == OVERWRITTEN and not insist:
                    return False
            if found is None:
                if not insist:
                    return False
                raise NotASplit(f"VirtualService {run.spec.routes} is no split of two subsets any more")
            try:
                body = routes.write(stored.body, stable, canary, wanted, run.spec.trial)
                written = await platform.write_virtual_service(body, stored.version)
            except Conflict:
                continue
            self._written(wanted, written.version)
            return True
        return False

    def _written(self, traffic: Traffic, version: str) -> None:
        now = self.now()
        self.happen(Written(at=now, percent=traffic.percent, header=traffic.header, version=version))

    # Gates.

    async def gates_open(self, moment: Moment) -> bool:
        """Whether all gates of the moment are open; each change of mind is noted."""
        answers = [await self._gate_open(gate, moment) for gate in self.run.spec.gates if gate.at == moment]
        return all(answers)

    async def _gate_open(self, gate: Gate, moment: Moment) -> bool:
        known, now = self.run.gates.get(gate.name), self.now()
        if known is not None and isinstance(gate, Webhook | Query):
            # A web hook has its say once a move; both are not asked again at every look.
            if known.open and isinstance(gate, Webhook):
                return True
            if now - self._asked_at.get(gate.name, 0.0) < ASK_EVERY_S:
                return known.open
        self._asked_at[gate.name] = now
        answer = await self.around.gates.ask(gate, self.run, moment)
        if known is None or known.open != answer.open:
            why = "" if answer.open else answer.why
            self.happen(Gated(at=self.now(), gate=gate.name, open=answer.open, why=why))
        return answer.open

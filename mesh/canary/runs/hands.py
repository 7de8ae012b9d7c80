"""What a run does to the world: pods, weights, gates; and what it writes down of it."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

from mesh.canary.platform import Conflict, Json, NotFound, Platform, PlatformError, Pod
from mesh.canary.runs import traffic as routes
from mesh.canary.runs.fields import Gate, Load, Moment, Query, Webhook
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
    Writing,
    Written,
)
from mesh.canary.runs.run import OVERWRITTEN, Run
from mesh.canary.runs.starting import labels
from mesh.canary.runs.traffic import NotASplit, Traffic
from mesh.canary.signals import Source

INSISTENCE = 5
ASK_EVERY_S = 5.0
# Nothing else waits longer for what a gate says.
PATIENCE_S = 0.2


class Asks(Protocol):
    """Whoever asks a gate."""

    async def ask(self, gate: Gate, run: Run, moment: Moment) -> Answer: ...


@dataclass(frozen=True)
class Around:
    """What a run is driven with.

    `source` is the evidence of requests, `mirrored` that of copies and of the requests they are copies of.
    `clock` gives Unix seconds, `steady` seconds of a clock that is never set; `heard` the commands behind the
    first so many.
    """

    platform: Platform
    source: Source
    mirrored: Source
    gates: Asks
    clock: Callable[[], float]
    steady: Callable[[], float]
    record: Callable[[Event], None]
    heard: Callable[[int], list[tuple[int, Said]]]


class Hands:
    """Those of one run."""

    def __init__(self, run: Run, around: Around) -> None:
        self.run = run
        self.around = around
        self._asked_at: dict[str, float] = {}
        self._asking: dict[str, asyncio.Future[Answer]] = {}
        self._load_due_at = -math.inf

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

    async def end(self, verdict: Verdict, reason: str) -> None:
        """The run's end; nobody makes requests for it any more."""
        load = self.run.spec.load
        if load is not None and load.deployment in self.run.scaled:
            await self.scale(load.deployment, 0)
        self.happen(Ended(at=self.now(), verdict=verdict, reason=reason))

    # Load.

    def ask_for_load(self, load: Load) -> None:
        """Noted before it is there: whoever is cut off in between has to end it."""
        if load.deployment not in self.run.scaled:
            self.happen(Scaled(at=self.now(), deployment=load.deployment, replicas=load.replicas))

    async def keep_load(self, load: Load) -> None:
        """Ask again for what was asked for: the end of another run takes the same load away."""
        now, replicas = self.around.steady(), self.run.scaled.get(load.deployment)
        if not replicas or now < self._load_due_at:
            return
        self._load_due_at = now + ASK_EVERY_S
        with contextlib.suppress(PlatformError):  # the run does not hang on it
            for stored in await self.around.platform.deployments({}):
                body = stored.body
                fewer = (body["spec"].get("replicas") or 0) < replicas  # a person may have asked for more
                if body["metadata"]["name"] == load.deployment and fewer:
                    await self.around.platform.scale(load.deployment, replicas)

    # Pods.

    def needed(self, percent: float) -> int:
        return self.run.spec.pods.needed(self.run.began.replicas, percent)

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

    async def stable_pods(self) -> list[Pod]:
        run = self.run
        return await self.around.platform.pods(labels(run.spec.service, run.began.stable))

    async def scale(self, deployment: str, replicas: int, *, least: bool = False) -> None:
        asked = self.run.scaled.get(deployment)
        if asked == replicas or (least and asked is not None and asked >= replicas):
            return
        try:
            await self.around.platform.scale(deployment, replicas)
        except NotFound:
            if replicas:
                raise
        self.happen(Scaled(at=self.now(), deployment=deployment, replicas=replicas))

    async def bring_back(self) -> bool:
        """Whether stable has its pods as before a promotion, or, after a while, some of them."""
        wanted = self.run.began.replicas
        ready = sum(pod.ready for pod in await self.stable_pods())
        if ready >= wanted:
            return True
        await self.around.platform.scale(self.run.began.base, wanted)
        return bool(ready) and self.now() - self.run.entered_at > self.run.spec.timeouts.drain_s

    # Weights.

    async def put(self, wanted: Traffic, *, insist: bool = False) -> bool:
        """Whether that is in force now. A foreign change is set right once; `insist` always does.

        Raises NotASplit when it has to be and cannot.
        """
        run, platform = self.run, self.around.platform
        for _ in range(INSISTENCE if insist else 1):
            stored = await platform.virtual_service(run.spec.routes)
            found = self._found(stored.body)
            if run.spec.dry_run:
                if found is not None and found != run.traffic:
                    self._written(found, stored.version)
                return found == wanted
            if found is not None and found in (wanted, run.writing) and found != run.traffic:
                stays = wanted == run.traffic
                self._written(found, stored.version)  # its own, and it was cut off before it was noted
                if stays and not insist:
                    return True
            if found == wanted:
                return True
            if found != (run.traffic or Traffic(0)):
                self._overwritten(found)
                if run.paused == OVERWRITTEN and not insist:
                    return False
            if found is None:
                if not insist:
                    return False
                raise NotASplit(f"VirtualService {run.spec.routes} is no split of two subsets any more")
            body = routes.write(stored.body, run.began.stable, run.began.canary, wanted, run.ways)
            if run.writing != wanted:
                self.happen(Writing(at=self.now(), **asdict(wanted)))
            try:
                written = await platform.write_virtual_service(body, stored.version)
            except Conflict:
                continue
            self._written(wanted, written.version)
            return True
        return False

    def _found(self, body: Json) -> Traffic | None:
        """The split as it stands, None for what is none."""
        try:
            return routes.read(body, self.run.began.stable, self.run.began.canary)
        except NotASplit:
            return None

    def _overwritten(self, found: Traffic | None) -> None:
        """Note what others have left, each thing once."""
        percent = found.percent if found else None
        if self.run.left is None or self.run.left.percent != percent:
            self.happen(Overwritten(at=self.now(), percent=percent))

    def _written(self, traffic: Traffic, version: str) -> None:
        self.happen(Written(at=self.now(), version=version, **asdict(traffic)))

    # Gates.

    async def gates_open(self, moment: Moment) -> bool:
        """Whether all gates of the moment are open; each change of mind is noted."""
        answers = [await self._gate_open(gate, moment) for gate in self.run.spec.gates if gate.at == moment]
        return all(answers)

    async def _gate_open(self, gate: Gate, moment: Moment) -> bool:
        """What it says, or said last: one that takes its time holds up nothing else."""
        known = self.run.gates.get(gate.name)
        if known is not None and known.open and isinstance(gate, Webhook):
            return True  # it has its say once a move
        asking = self._asking.get(gate.name)
        if asking is None:
            if known is not None and self._is_fresh(gate):
                return known.open
            self._asked_at[gate.name] = self.now()
            asking = asyncio.ensure_future(self.around.gates.ask(gate, self.run, moment))
            self._asking[gate.name] = asking
        await asyncio.wait({asking}, timeout=PATIENCE_S)
        if not asking.done():
            return known is not None and known.open
        del self._asking[gate.name]
        answer = asking.result()
        if known is None or known.open != answer.open:
            why = "" if answer.open else answer.why
            self.happen(Gated(at=self.now(), gate=gate.name, open=answer.open, why=why))
        return answer.open

    def _is_fresh(self, gate: Gate) -> bool:
        """People and clocks are asked at every look, others not."""
        asked_at = self._asked_at.get(gate.name, 0.0)
        return isinstance(gate, Webhook | Query) and 0 <= self.now() - asked_at < ASK_EVERY_S

    def close(self) -> None:
        for asking in self._asking.values():
            asking.cancel()

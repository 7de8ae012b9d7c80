"""Where a run is: its events folded, one after the other (pure). The same events, the same state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from mesh.canary import guards
from mesh.canary.decision import Decider
from mesh.canary.evidence import Array
from mesh.canary.model import Decision, Observation, PodSample, Settings
from mesh.canary.pods import culprit
from mesh.canary.runs.journal import (
    Began,
    Commanded,
    Ended,
    Entered,
    Event,
    Gated,
    Learned,
    Overwritten,
    Replaced,
    Scaled,
    Scraped,
    Stage,
    Verb,
    Verdict,
    Writing,
    Written,
)
from mesh.canary.runs.rollout import Spec
from mesh.canary.runs.traffic import Traffic, Ways

OVERWRITTEN = "the weights were overwritten twice"
# A weight that somebody else has changed is set again once; the second time a person has to say who is right.
REASSERTED = 1
FINAL = ("promoted", "rolled_back", "inconclusive")


class NotARun(ValueError):
    """Events that are no run: the first does not begin one, or one comes that cannot follow."""


@dataclass
class Bake:
    """The canary by itself, once nothing compares it with stable any more: a CUSUM against the objective.

    `scrapes` counts those that it had all of the traffic in.
    """

    log_g: Array = field(default_factory=lambda: np.zeros(1))
    breach: int = 0
    scrapes: int = 0

    @property
    def is_done(self) -> bool:
        """Whether there was time enough to fail."""
        return self.scrapes > guards.BREACH_SCRAPES

    def take(self, observation: Observation, slo: float) -> None:
        """A scrape in which stable fails too tells nothing of the canary."""
        stable, arm = observation.stable, observation.canary
        self.scrapes += observation.weight == 1 and observation.whole_step
        if stable.errors > slo * stable.requests:
            return
        n, k = np.array([float(arm.requests)]), np.array([float(arm.errors)])
        self.log_g = guards.log_cusum(self.log_g, n, k, slo)
        self.breach = self.breach + 1 if arm.errors > slo * arm.requests else 0

    @property
    def fails(self) -> bool:
        return bool(self.log_g[0] >= np.log(guards.ALARM)) and self.breach >= guards.BREACH_SCRAPES


@dataclass
class Run:
    """`traffic` is what the controller has put in force, at `written_at`; None before its first write.

    `writing` is what was about to be put in force. `overwritten` counts what others have changed; `left` is
    what they left, if nothing was written since. `gates`: what each has last said about the next move,
    `approved` those that a person has opened for it. `pods` are the step's sums by canary pod, `totals` those
    of the whole run (stable, canary). `served`: people were answered by the canary; `mirrored`: copies have
    proven what they can. `ordered` is a person's last word that nothing has followed yet: to promote waits
    for stable to be known.
    """

    began: Began
    stage: Stage = "preparing"
    entered_at: float = 0.0
    why: str = ""
    scaled: dict[str, int] = field(default_factory=dict)
    scaled_at: float | None = None
    decider: Decider | None = None
    decision: Decision | None = None
    failed: str = ""
    scraped_at: float = 0.0
    traffic: Traffic | None = None
    writing: Traffic | None = None
    written_at: float = 0.0
    overwritten: int = 0
    left: Overwritten | None = None
    promoting: bool = False
    served: bool = False
    mirrored: bool = False
    paused: str = ""
    commands: int = 0
    ordered: tuple[Verb, str] | None = None
    gates: dict[str, Gated] = field(default_factory=dict)
    approved: frozenset[str] = frozenset()
    replaced: str = ""
    pods: dict[str, PodSample] = field(default_factory=dict)
    totals: tuple[PodSample, PodSample] = (PodSample(0, 0), PodSample(0, 0))
    bake: Bake = field(default_factory=Bake)
    verdict: Verdict | None = None
    reason: str = ""
    last_at: float = 0.0

    @property
    def ended(self) -> bool:
        return self.stage == "ended"

    @property
    def spec(self) -> Spec:
        return self.began.rollout.spec

    @property
    def percent(self) -> int:
        """The canary's share in force."""
        return self.traffic.percent if self.traffic is not None else 0

    @property
    def copies(self) -> bool:
        """Whether what is compared now, or next, are copies of requests."""
        early = self.stage in ("preparing", "warming", "mirroring")
        return early and self.spec.mirrors is not None and not self.mirrored

    def settings(self, learned: Learned) -> Settings:
        """What is decided by from here on. Raises ValueError."""
        if self.copies and learned.expected_rps is not None:
            return self.spec.mirror_settings(learned.expected_rps, learned.tail_dispersion)
        return self.spec.settings(learned.expected_rps, learned.tail_dispersion)

    @property
    def ways(self) -> Ways:
        """How requests find the canary in this run."""
        spec = self.spec
        steps = self.decider.steps if self.decider is not None and spec.affinity is not None else ()
        percents = tuple(round(100 * step) for step in steps)
        return Ways(spec.trial, spec.mirrors, spec.kept, percents, self.began.run)

    @property
    def is_decided(self) -> bool:
        """Whether the decision is the last one, or a person's: then the canary is judged by itself."""
        return self.stage == "promoting" or (self.decision is not None and self.decision.phase in FINAL)

    @property
    def culprit(self) -> str | None:
        """The canary pod to replace before the version is blamed."""
        return None if self.replaced else culprit(self.pods)

    def take(self, event: Event) -> None:
        """Let the event have happened. Raises NotARun."""
        self.last_at = event.at
        match event:
            case Began():
                raise NotARun("a second beginning")
            case Entered():
                if self.stage == "mirroring" and event.stage == "warming":
                    # From here on requests are compared, not copies: stable is learned anew.
                    self.mirrored, self.decider, self.decision = True, None, None
                self.stage, self.entered_at, self.why = event.stage, event.at, event.why
                self.verdict = event.verdict or self.verdict
                self.promoting |= event.stage == "promoting"
                if event.stage in ("promoting", "retreating"):
                    self.paused, self.ordered = "", None
            case Learned():
                self.decider = Decider(self.settings(event), event.history)
                self.decision = self.decider.decision
            case Scraped():
                self._scraped(event)
            case Writing():
                self.writing = Traffic(event.percent, event.header, event.mirror)
            case Written():
                self.traffic = Traffic(event.percent, event.header, event.mirror)
                self.written_at = event.at
                self.served |= bool(event.percent) or event.header
                self.writing = self.left = None
                self.gates, self.approved, self.pods = {}, frozenset(), {}
            case Overwritten():
                self.overwritten += 1
                self.left = event
                if self.overwritten > REASSERTED:
                    self.paused = OVERWRITTEN
            case Scaled():
                self.scaled[event.deployment] = event.replicas
                self.scaled_at = event.at
            case Replaced():
                self.replaced, self.pods = event.pod, {}
            case Gated():
                self.gates[event.gate] = event
            case Commanded():
                self._commanded(event)
            case Ended():
                self.stage, self.verdict, self.reason = "ended", event.verdict, event.reason

    def _scraped(self, event: Scraped) -> None:
        self.failed = event.failed
        observation = event.observation
        if observation is not None:
            self.scraped_at = observation.at
            for name, pod in observation.canary.pods.items():
                self.pods[name] = _sum(self.pods.get(name, PodSample(0, 0)), pod)
            if self.stage != "mirroring":  # of copies nobody gets the answers
                arms = (observation.stable, observation.canary)
                stable, canary = (
                    _sum(total, PodSample(arm.requests, arm.errors))
                    for total, arm in zip(self.totals, arms, strict=True)
                )
                self.totals = (stable, canary)
        if self.decider is None:
            raise NotARun("a scrape is judged before anything was learned")
        if self.is_decided:
            if observation is not None:
                self.bake.take(observation, self.spec.slo.error_rate)
        else:
            self.decision = self.decider.observe(observation)

    def _commanded(self, event: Commanded) -> None:
        self.commands = event.number
        match event.verb:
            case "pause":
                self.paused = f"paused by {event.by}"
            case "resume":
                self.paused, self.overwritten = "", 0
            case "approve":
                self.approved |= {event.gate}
            case "abort" | "promote":
                self.ordered = (event.verb, event.by)


def fold(events: Iterable[Event]) -> Run:
    """The run that these events are. Raises NotARun."""
    each = iter(events)
    first = next(each, None)
    if not isinstance(first, Began):
        raise NotARun("the first event does not begin a run")
    run = Run(first, entered_at=first.at, last_at=first.at)
    for event in each:
        run.take(event)
    return run


def _sum(one: PodSample, other: PodSample) -> PodSample:
    return PodSample(one.requests + other.requests, one.errors + other.errors)

"""A run as its journal tells it: where it is, and all that led there (pure).

The decisions are those that the journal has, none is made anew: a long run is read in a moment. That they
are the right ones is what a replay shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from mesh.canary import engine
from mesh.canary.batch import of_history
from mesh.canary.decision import Decider
from mesh.canary.model import ArmSample, Decision, Observation, PodSample
from mesh.canary.runs.fields import Manual
from mesh.canary.runs.journal import (
    Began,
    Commanded,
    Event,
    Gated,
    Learned,
    Overwritten,
    Replaced,
    Scraped,
    Stage,
    Verb,
    Writing,
    Written,
)
from mesh.canary.runs.run import NotARun, Run
from mesh.canary.views import words
from mesh.canary.views.parts import NOTHING, Ladder, Note, Point, Span, Step, plus

_NUMBERS = re.compile(r"[\d.]+")


class _Recorded(Decider):
    """Decides what the journal says."""

    def __init__(self) -> None:
        self.told: Decision

    def observe(self, observation: Observation | None) -> Decision:
        return self.told


@dataclass
class Story(Run):
    """A run with its past. `harm` is the errors of the canary beyond what stable's rate would have given."""

    learned: Learned | None = None
    points: list[Point] = field(default_factory=list)
    shares: list[Step] = field(default_factory=list)
    stages: list[Span] = field(default_factory=list)
    held: list[Span] = field(default_factory=list)
    pauses: list[Span] = field(default_factory=list)
    foreign: list[Overwritten] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    commanded: list[Commanded] = field(default_factory=list)
    replacements: list[Replaced] = field(default_factory=list)
    every_pod: dict[str, PodSample] = field(default_factory=dict)
    scrapes: int = 0
    failures: int = 0
    harm: float = 0.0
    peak: float = 1.0
    events: int = 1

    def __post_init__(self) -> None:
        self.stages.append(Span(self.stage, self.began.at))
        self.notes.append(Note(1, self.began.at, *words.sentence(self.began)))

    def take(self, event: Event) -> None:
        """Let the event have happened. Raises NotARun."""
        noted = self._is_news(event)
        before = self.stage
        match event:
            case Learned():
                self.last_at, self.learned, self.decider = event.at, event, _Recorded()
                self.__dict__.pop("ladder", None)
            case Scraped():
                if isinstance(self.decider, _Recorded):
                    self.decider.told = event.decision
                super().take(event)
                self._looked(event, before)
            case _:
                super().take(event)
                self._happened(event)
        self.events += 1
        if self.stage != before:
            self._entered(event.at)
        self._paused(event.at)
        if noted:
            text, tone = words.sentence(event)
            held = self.stays if isinstance(event, Scraped) and event.observation is not None else ""
            self.notes.append(Note(self.events, event.at, held or text, tone))

    @property
    def harmed(self) -> float:
        """Requests that failed because they went to the canary, as an estimate."""
        return max(0.0, self.harm)

    @property
    def name(self) -> str:
        return self.began.run

    @property
    def service(self) -> str:
        return self.spec.service

    @property
    def stable(self) -> str:
        """The subset that had all requests when the run began."""
        return self.began.stable

    @property
    def canary(self) -> str:
        return self.began.canary

    @property
    def namespace(self) -> str:
        return self.began.rollout.metadata.namespace

    @property
    def rollback_at(self) -> float:
        """The wealth at which the canary is rolled back."""
        return 1 / self.spec.alpha_rollback

    @property
    def margin(self) -> float | None:
        """The excess of the canary's error rate that the share in force rules out before the next."""
        margins = dict(zip(self.ladder.steps, self.ladder.margins, strict=False))
        return margins.get(float(self.percent))

    @property
    def closed(self) -> list[Span]:
        """The gates that hold now."""
        return [span for span in self.held if span.until is None]

    @property
    def stays(self) -> str:
        """Why the share stays although the evidence for it is there; empty where evidence is what it lacks.

        The decision speaks of the next share as soon as it may be, whether that is in force or not.
        """
        decision, gates = self.decision, [f"gate {span.what}" for span in self.closed]
        if self.stage != "stepping" or decision is None or decision.phase != "progressing":
            return ""
        wanted = round(100 * decision.weight)
        holds = words.listed([*gates, *(["a person"] if self.paused else [])])
        if wanted > self.percent > 0 and not self.spec.dry_run:
            if holds:
                return f"{self.percent} % is proven; {wanted} % waits for {holds}"
            return f"{self.percent} % is proven; {wanted} % is next" if _collects(decision) else ""
        if holds and self.ladder.steps[-1:] == (float(self.percent),):
            return f"proof for the promotion waits for {holds}"
        return ""

    def commanded_to(self, verb: Verb) -> bool:
        """Whether a person said so, ever."""
        return any(each.verb == verb for each in self.commanded)

    @cached_property
    def ladder(self) -> Ladder:
        """Known when stable is; before that what the rollout says."""
        given = Ladder(self.spec.steps or ())
        if self.learned is None or (self.spec.mirrors is not None and not self.mirrored):
            return given  # what was learned, if anything, was for copies
        settings = self.settings(self.learned)
        edges, slo = len(settings.latency_edges_ms), settings.slo_error_rate
        try:
            plan, _ = engine.begin(settings, of_history(self.learned.history, edges, slo))
        except ValueError:
            return given
        steps = tuple(float(round(100 * step, 6)) for step in plan.steps)
        return Ladder(steps, tuple(float(margin) for margin in plan.step_margins[0]))

    def _is_news(self, event: Event) -> bool:
        """Whether it says something else than the one of its kind before."""
        match event:
            case Gated():
                old = self.gates.get(event.gate)
                return old is None or (old.open, old.why) != (event.open, event.why)
            case Writing():
                return False
            case Scraped() if event.observation is None or self.failed:
                return event.failed != self.failed
            case Scraped():
                return self.decision is None or _kind(event.decision) != _kind(self.decision)
            case _:
                return True

    def _looked(self, event: Scraped, stage: Stage) -> None:
        self.scrapes += 1
        if event.observation is None:
            self.failures += 1
            return
        seen = event.observation
        stable, canary = _of(seen.stable), _of(seen.canary)
        decision, decided = event.decision, stage != "promoting"
        self.peak = max(self.peak, decision.wealth)
        point = Point(
            event.at, self.percent, stable, canary, decision.wealth, decision.excess, decision.margin, decided
        )
        self.points.append(point)
        if self.shares:
            step = self.shares[-1]
            step.stable, step.canary = plus(step.stable, stable), plus(step.canary, canary)
            step.decision = decision if decided else step.decision
        for name, pod in seen.canary.pods.items():
            self.every_pod[name] = plus(self.every_pod.get(name, NOTHING), pod)
        if stage == "mirroring":
            return
        # Stable's rate of the same scrape: trouble of both is not the canary's. Else of the whole run, where
        # it may have had only what was copied: then of what was learned.
        against = stable if stable.requests else self.totals[0] if self.totals[0].requests else self._before()
        expected = canary.requests * against.errors / against.requests if against.requests else 0.0
        self.harm += canary.errors - expected

    def _before(self) -> PodSample:
        """Stable's requests in what was learned of it."""
        history = self.learned.history if self.learned is not None else ()
        return PodSample(sum(each.requests for each in history), sum(each.errors for each in history))

    def _happened(self, event: Event) -> None:
        match event:
            case Written():
                if self.shares:
                    self.shares[-1].until = event.at
                for span in self.closed:
                    span.until = event.at
                self.shares.append(Step(event.percent, event.at, header=event.header, mirror=event.mirror))
            case Gated():
                self._gate(event.gate, event.at, None if event.open else self._opens(event))
            case Commanded():
                self.commanded.append(event)
                if event.verb == "approve":
                    self._gate(event.gate, event.at, None)
            case Overwritten():
                self.foreign.append(event)
            case Replaced():
                self.replacements.append(event)
            case _:
                pass

    def _opens(self, event: Gated) -> str:
        """What opens a gate that holds: a person's command as it is typed, else what the gate says."""
        if any(isinstance(gate, Manual) and gate.name == event.gate for gate in self.spec.gates):
            return f"`delinkcious canary approve {self.service} {event.gate}` opens it"
        return event.why

    def _gate(self, gate: str, at: float, why: str | None) -> None:
        """`why` it holds, None where it is open."""
        span = next((span for span in self.closed if span.what == gate), None)
        if why is None:
            if span is not None:
                span.until = at
        elif span is None:
            self.held.append(Span(gate, at, why))
        else:
            span.why = why

    def _entered(self, at: float) -> None:
        self.stages[-1].until = at
        self.stages.append(Span(self.stage, at, self.reason if self.ended else self.why))
        if self.stage == "warming":  # what follows is compared with what is learned from here on
            self.learned = None
            self.__dict__.pop("ladder", None)
        if self.ended or self.stage in ("promoting", "retreating"):
            for span in self.closed:
                span.until = at
        if self.ended:
            self.stages[-1].until = at
            if self.shares:
                self.shares[-1].until = at

    def _paused(self, at: float) -> None:
        last = self.pauses[-1] if self.pauses and self.pauses[-1].until is None else None
        if last is not None and (self.ended or last.what != self.paused):
            last.until = at
        if self.paused and not self.ended and (last is None or last.what != self.paused):
            self.pauses.append(Span(self.paused, at))


def story(events: Iterable[Event]) -> Story:
    """The run that these events are. Raises NotARun."""
    each = iter(events)
    made = begin(next(each, None))
    for event in each:
        made.take(event)
    return made


def begin(first: Event | None) -> Story:
    """A story with its first event. Raises NotARun."""
    if first is None:
        raise NotARun("nothing has happened in it: it is empty")
    if not isinstance(first, Began):
        raise NotARun("the first event does not begin a run")
    return Story(first, entered_at=first.at, last_at=first.at)


def stage_of(span: Span) -> Stage:
    """A stage's span as the stage."""
    return next(stage for stage in words.STAGES if stage == span.what)


def _of(arm: ArmSample) -> PodSample:
    return PodSample(arm.requests, arm.errors)


def _collects(decision: Decision) -> bool:
    return decision.reason.startswith("collecting")


def _kind(decision: Decision) -> tuple[str, float, str]:
    """What a decision says beside its numbers."""
    return decision.phase, decision.weight, _NUMBERS.sub("", decision.reason)

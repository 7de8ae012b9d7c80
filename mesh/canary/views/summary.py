"""A run in one line (pure)."""

from __future__ import annotations

import msgspec

from mesh.canary.model import Decision, PodSample
from mesh.canary.runs.journal import Stage, Verdict
from mesh.canary.views import words
from mesh.canary.views.story import Story
from mesh.canary.views.waiting import eta_s, waiting


class Arm(msgspec.Struct, frozen=True):
    """One version and what it answered."""

    version: str
    requests: int
    errors: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Times in Unix seconds, `percent` the canary's share in force, `harmed` an estimate.

    `paused` says by whom; `verdict` is None while the run goes on, `took_s` up to then or to its newest
    event; `why` is the reason of its end, or what it waits for.
    """

    run: str
    service: str
    namespace: str
    by: str
    began_at: float
    took_s: float
    stage: Stage
    verdict: Verdict | None
    percent: int
    paused: str
    dry_run: bool
    stable: Arm
    canary: Arm
    harmed: float
    wealth: float | None
    eta_s: float | None
    decision: Decision | None
    why: str

    @property
    def state(self) -> str:
        """The verdict, or the stage; a pause instead of it."""
        state = words.VERDICTS[self.verdict] if self.verdict else "paused" if self.paused else self.stage
        return f"{state}, dry run" if self.dry_run else state

    @property
    def tone(self) -> words.Tone:
        return words.TONES[self.verdict] if self.verdict else "poor" if self.paused else ""


def summary(told: Story, now: float) -> Summary:
    until = told.last_at if told.ended else max(now, told.last_at)
    stable, canary = told.totals
    return Summary(
        run=told.name,
        service=told.service,
        namespace=told.namespace,
        by=told.began.by,
        began_at=told.began.at,
        took_s=until - told.began.at,
        stage=told.stage,
        verdict=told.verdict if told.ended else None,
        percent=told.percent,
        paused="" if told.ended else told.paused,
        dry_run=told.spec.dry_run,
        stable=_arm(told.stable, stable),
        canary=_arm(told.canary, canary),
        harmed=round(told.harmed, 1),
        wealth=told.decision.wealth if told.decision else None,
        eta_s=eta_s(told, now),
        decision=told.decision,
        why=told.reason if told.ended else "; ".join(waiting(told, now)[:1]),
    )


def _arm(version: str, answered: PodSample) -> Arm:
    return Arm(version, answered.requests, answered.errors)

"""Where a run stands, as `.status` of its Rollout object says it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.canary.model import Decision
from mesh.canary.runs.journal import Event, Stage, Verdict
from mesh.canary.runs.run import Run
from mesh.canary.views.following import Follower
from mesh.canary.views.story import Story
from mesh.canary.views.waiting import waiting

Json = dict[str, Any]
TAKEN = 20  # so many requests are remembered: one stands in each annotation
WAITS = 5

_decoder = msgspec.json.Decoder(Event)


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Of one run, by arm."""

    stable: int = 0
    canary: int = 0


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The last request that came to nothing, and why."""

    id: str
    why: str


class Status(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`phase` is the verdict of a run that has ended, else its stage. `weight` is the canary's, in percent.

    `wealth`, `excess` and `margin` are those of the last decision, `decider` is all that it remembers,
    `taken` the ids of requests that need not stand any more.
    """

    phase: str = ""
    run: str = ""
    stage: Stage | None = None
    verdict: Verdict | None = None
    reason: str = ""
    weight: int = 0
    wealth: float | None = None
    excess: tuple[float, ...] | None = None
    margin: float | None = None
    requests: Counts | None = None
    errors: Counts | None = None
    paused: str = ""
    waits_for: tuple[str, ...] = ()
    decider: str = ""
    taken: tuple[str, ...] = ()
    refused: Refused | None = None


class Watched:
    """A journal that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._follower = Follower(path)
        self._run: Run | None = None

    def look(self) -> Status:
        """With all that is new. Raises NotAJournal, OSError."""
        known = self._follower.story
        lines = self._follower.look()
        story = self._follower.story
        if story is not known:
            self._run = None
        for line in lines:
            event = _decoder.decode(line)
            if self._run is None:
                self._run = Run(event, entered_at=event.at, last_at=event.at)
            else:
                self._run.take(event)
        return Status() if story is None or self._run is None else status(story, self._run)


def status(story: Story, run: Run) -> Status:
    """Times in it are those of the newest event, so that only events change it."""
    decision, (stable, canary) = story.decision, story.totals
    verdict = story.verdict if story.ended else None
    return Status(
        phase=verdict or story.stage,
        run=story.name,
        stage=story.stage,
        verdict=verdict,
        reason=story.reason if story.ended else story.why,
        weight=story.percent,
        wealth=_finite(decision.wealth) if decision else None,
        excess=_excess(decision),
        margin=_finite(decision.margin) if decision else None,
        requests=Counts(stable=stable.requests, canary=canary.requests),
        errors=Counts(stable=stable.errors, canary=canary.errors),
        paused=story.paused,
        waits_for=tuple(waiting(story, story.last_at)[:WAITS]),
        decider="" if run.decider is None or story.ended else run.decider.dumps(),
    )


def plain(status: Status) -> Json:
    """As a merge patch writes it: what is not said is taken away."""
    found: Json = msgspec.to_builtins(status)
    return found


def kept(stored: Json) -> Json:
    """What an object's `.status` says, as `plain` would: the server keeps no null."""
    return {name: stored.get(name) for name in Status.__struct_encode_fields__}


def taken(before: Sequence[str], id: str, stands: Collection[str]) -> tuple[str, ...]:
    """The newest last; of what still stands none is forgotten, else it would be taken again."""
    ids = [*(one for one in before if one != id), id]
    return (*(one for one in ids[:-TAKEN] if one in stands), *ids[-TAKEN:])


def _excess(decision: Decision | None) -> tuple[float, ...] | None:
    if decision is None or not all(math.isfinite(end) for end in decision.excess):
        return None
    return decision.excess


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None

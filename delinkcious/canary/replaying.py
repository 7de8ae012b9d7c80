"""A run decided anew from what was recorded, to see that every decision was the one that follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from mesh.canary.decision import Decider
from mesh.canary.model import Decision
from mesh.canary.runs import journal
from mesh.canary.runs.journal import DamagedJournal, Scraped
from mesh.canary.runs.run import NotARun, Run, fold
from mesh.canary.views.following import NotAJournal


@dataclass(frozen=True)
class Difference:
    """`event` is the line of the journal."""

    event: int
    field: str
    recorded: object
    replayed: object


@dataclass(frozen=True)
class Replayed:
    """How many events were read and decisions compared, how many of these differ, and the first that does."""

    run: str
    events: int
    decisions: int
    differing: int
    first: Difference | None
    restarts: int

    @property
    def identical(self) -> bool:
        return not self.differing


def replay(path: Path, *, restart_every: int | None = None, at: Collection[int] = ()) -> Replayed:
    """Fold the journal anew and compare each decision, every bit of it.

    The decider is written down and read again before every `restart_every`-th event and before those with
    the numbers `at`, and has to go on as if nothing had been. Raises NotAJournal, OSError.
    """
    try:
        return _replay(
            path, lambda number: number in at or bool(restart_every and not number % restart_every)
        )
    except DamagedJournal as error:
        raise NotAJournal(
            f"{path} is no journal of a rollout: {str(error).removeprefix(f'{path}:')}"
        ) from error
    except ValueError as error:  # NotARun, and what the decider refuses
        raise NotAJournal(f"{path} is no journal of a rollout: {error}") from error


def _replay(path: Path, restarted: Callable[[int], bool]) -> Replayed:
    run: Run | None = None
    number = decisions = differing = restarts = 0
    first: Difference | None = None
    for number, event in enumerate(journal.events(path), start=1):
        if run is None:
            run = fold([event])
            continue
        if run.decider is not None and restarted(number):
            run.decider = Decider.loads(run.decider.dumps())
            restarts += 1
        judged = isinstance(event, Scraped) and run.stage != "promoting"
        run.take(event)
        if judged and isinstance(event, Scraped) and run.decision is not None:
            decisions += 1
            found = _difference(number, event.decision, run.decision)
            differing += found is not None
            first = first or found
    if run is None:
        raise NotARun("it has no event")
    return Replayed(run.began.run, number, decisions, differing, first, restarts)


def _difference(number: int, recorded: Decision, replayed: Decision) -> Difference | None:
    for field in dataclasses.fields(Decision):
        one, other = getattr(recorded, field.name), getattr(replayed, field.name)
        if one != other:
            return Difference(number, field.name, one, other)
    return None

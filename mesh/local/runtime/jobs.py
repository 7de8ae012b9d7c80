"""How far a Job is: its attempts, its success, its failure (pure but for the clock)."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from mesh.local.model import Json
from mesh.local.runtime.backoff import Backoff
from mesh.local.runtime.pod import Phase

DEFAULT_BACKOFF_LIMIT = 6


@dataclass
class JobRun:
    """One Job with one template; another template is another run.

    Without `completions` it is done when one pod has succeeded and all have ended, as a queue of work is.
    """

    hash: str
    backoff_limit: int
    deadline: float | None  # by the monotonic clock
    completions: int | None = 1
    parallelism: int = 1
    indexed: bool = False
    attempts: int = 0  # pods that were started, which numbers them
    failures: int = 0
    succeeded: int = 0
    done: set[int] = field(default_factory=set)  # indexes
    not_before: float = 0.0
    state: Phase = "Pending"
    ended_at: float | None = None  # by the wall clock

    @classmethod
    def begin(cls, template_hash: str, spec: Json) -> JobRun:
        limit = spec.get("backoffLimit")
        seconds = spec.get("activeDeadlineSeconds")
        parallelism = spec.get("parallelism", 1)
        queue = "parallelism" in spec and "completions" not in spec
        run = cls(
            template_hash,
            DEFAULT_BACKOFF_LIMIT if limit is None else int(limit),
            None if seconds is None else time.monotonic() + float(seconds),
            None if queue else int(spec.get("completions", 1)),
            int(parallelism),
            spec.get("completionMode") == "Indexed",
        )
        if run.completions == 0:
            run._end("Succeeded")
        return run

    @property
    def late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    @property
    def has_failed(self) -> bool:
        return self.state == "Failed"

    def starts(self, active: Collection[int | None]) -> list[int | None]:
        """What pods to start now beside the `active` ones: their indexes, None each where there are none."""
        if self.state != "Pending" or self.late:
            return []
        free = max(0, self.parallelism - len(active))
        if self.completions is None:
            return [None] * (0 if self.succeeded else free)
        if self.indexed:
            rest = [each for each in range(self.completions) if each not in self.done | set(active)]
            return list(rest[:free])
        return [None] * min(free, max(0, self.completions - self.succeeded - len(active)))

    def ended(self, phase: Phase, index: int | None = None, others: int = 0) -> float:
        """Note the end of a pod beside `others` that run; seconds until the next start, 0 for at once."""
        if phase == "Succeeded":
            self.succeeded += 1
            if index is not None:
                self.done.add(index)
            if self._complete(others):
                self._end("Succeeded")
            return 0.0
        self.failures += 1
        if self.failures > self.backoff_limit or self.late:
            self._end("Failed")
            return 0.0
        backoff = Backoff()
        backoff.deaths = self.failures - 1
        pause_s = backoff.next_s(0)
        self.not_before = time.monotonic() + pause_s
        return pause_s

    def expire(self) -> None:
        """Its deadline is over."""
        self._end("Failed")

    def shown_s(self, spec: Json) -> float | None:
        """How long it is still to be seen after its end, 0 for no more; None for ever."""
        seconds = spec.get("ttlSecondsAfterFinished")
        if self.ended_at is None or seconds is None:
            return None
        return max(0.0, self.ended_at + float(seconds) - time.time())

    def _complete(self, others: int) -> bool:
        if self.completions is None:
            return others == 0
        return (len(self.done) if self.indexed else self.succeeded) >= self.completions

    def _end(self, state: Phase) -> None:
        self.state, self.ended_at = state, time.time()

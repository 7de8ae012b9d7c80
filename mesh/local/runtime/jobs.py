"""How far a Job is: its attempts, its success, its failure."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mesh.local.model import Json
from mesh.local.runtime.backoff import Backoff
from mesh.local.runtime.pod import Phase

DEFAULT_BACKOFF_LIMIT = 6


@dataclass
class JobRun:
    """One Job with one template; another template is another run."""

    hash: str
    backoff_limit: int
    deadline: float | None  # by the monotonic clock
    attempts: int = 0
    not_before: float = 0.0
    state: Phase = "Pending"

    @classmethod
    def begin(cls, template_hash: str, spec: Json) -> JobRun:
        limit = spec.get("backoffLimit")
        seconds = spec.get("activeDeadlineSeconds")
        return cls(
            template_hash,
            DEFAULT_BACKOFF_LIMIT if limit is None else int(limit),
            None if seconds is None else time.monotonic() + float(seconds),
        )

    @property
    def late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def ended(self, phase: Phase) -> float:
        """Note the end of an attempt; seconds until the next one, 0 when there is none."""
        self.attempts += 1
        if phase == "Succeeded":
            self.state = "Succeeded"
            return 0.0
        if self.attempts > self.backoff_limit or self.late:
            self.state = "Failed"
            return 0.0
        backoff = Backoff()
        backoff.deaths = self.attempts - 1
        pause_s = backoff.next_s(0)
        self.not_before = time.monotonic() + pause_s
        return pause_s

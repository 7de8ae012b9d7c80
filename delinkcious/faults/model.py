"""What a fault is."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from delinkcious.faults.site import Site


class Action(Protocol):
    """What a fault does. All run in the process that holds it, `end` in the one that clears it as well."""

    def begin(self, site: Site) -> None:
        """Break it; raises when that cannot be."""

    def hold(self, site: Site, ended: threading.Event) -> None:
        """Keep it broken until `ended`."""

    def end(self, site: Site) -> None:
        """Mend it, however often that was done already, and whoever broke it."""


@dataclass(frozen=True)
class Trail:
    """What the trace of a `GET path` points to: the service where it failed first, or took most time."""

    path: str
    service: str


@dataclass(frozen=True)
class Fault:
    """A fault, with what it raises on the local mesh under a small load.

    `alerts` fire within `within_s`; `pages` may fire besides, since users notice, as `ALERT SERVICE`.
    `trail`: what traces say, of a fault that requests meet.
    """

    name: str
    does: str
    action: Action
    alerts: tuple[str, ...]
    within_s: float
    pages: tuple[str, ...] = ()
    trail: Trail | None = None

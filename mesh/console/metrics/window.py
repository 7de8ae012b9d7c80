"""The last seconds of one proxy's counters (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh.console.metrics.exposition import Key

# Long enough for a p99 of some hundred requests, short enough to see what an edit does.
SPAN_S = 10.0


@dataclass
class Window:
    """Scrapes not older than `SPAN_S`, and the one just before."""

    _scrapes: deque[tuple[float, Mapping[Key, float]]] = field(default_factory=deque)

    def add(self, at: float, counters: Mapping[Key, float]) -> None:
        """A scrape of the moment `at`, in seconds of a clock that never goes back."""
        self._scrapes.append((at, counters))
        while len(self._scrapes) > 2 and self._scrapes[1][0] <= at - SPAN_S:
            self._scrapes.popleft()

    def holds(self, now: float) -> bool:
        """Whether it is of now: a sidecar that has long not answered does nothing that is known."""
        return bool(self._scrapes) and self._scrapes[-1][0] > now - SPAN_S

    def increases(self) -> tuple[float, dict[Key, float]]:
        """Over how many seconds, and by how much each counter grew; a restart begins at zero again."""
        if len(self._scrapes) < 2:
            return 0.0, {}
        (begin, first), (end, last) = self._scrapes[0], self._scrapes[-1]
        grown: dict[Key, float] = {}
        for key, value in last.items():
            before = first.get(key, 0.0)
            if increase := value - before if value >= before else value:
                grown[key] = increase
        return end - begin, grown

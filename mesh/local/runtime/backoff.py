"""How long to wait before the next start of what died (pure but for the clock it is given)."""

from __future__ import annotations

FIRST_S = 0.2
LIMIT_S = 30.0
HEALTHY_S = 60.0  # a life as long as this forgives the deaths before it


class Backoff:
    """Doubles from 0.2 s to 30 s; begins anew after a life of 60 s."""

    def __init__(self) -> None:
        self.deaths = 0

    def next_s(self, lived_s: float) -> float:
        """The pause after a life of `lived_s` seconds."""
        if lived_s >= HEALTHY_S:
            self.deaths = 0
        self.deaths += 1
        return min(FIRST_S * 2.0 ** min(self.deaths - 1, 16), LIMIT_S)

"""Which requests are traced: each has a trace id of its own, and a share of them is forced to be sampled."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass

# Makes the edge believe a `traceparent` whose flag is 01; it does so for callers of the mesh's own networks.
FORCE = "x-envoy-force-trace"


@dataclass(frozen=True)
class Tracing:
    """`share` of the requests is forced; with a share of 0 nothing is sent about traces at all.

    What is not forced says flag 00: whoever asks not to be traced is not, so the share is exact.
    """

    share: float

    def of(self, dice: random.Random) -> tuple[dict[str, str], str, bool]:
        """The headers of a request, its trace id, whether it is forced."""
        if not self.share:
            return {}, "", False
        # Not of the dice, which may roll the same in two runs: no two requests share a trace.
        trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
        if dice.random() >= self.share:
            return {"traceparent": f"00-{trace_id}-{span_id}-00"}, "", False
        return {"traceparent": f"00-{trace_id}-{span_id}-01", FORCE: "1"}, trace_id, True

"""`python -m telemetry.slo`: write everything that follows from the objectives."""

from __future__ import annotations

import sys

from telemetry.slo.model import InvalidObjectives
from telemetry.slo.outputs import write

if __name__ == "__main__":
    try:
        write()
    except InvalidObjectives as error:
        sys.exit(f"error: {error}")

"""What tests wait for."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(reached: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.1)

"""Probes that ask what cannot be asked fail, as ones that nobody answers do."""

from __future__ import annotations

import asyncio
from typing import Any

from mesh.local.runtime.probes import Action, attempt


def test_a_host_that_is_no_name_is_a_failure() -> None:
    unused: Any = None
    failure = asyncio.run(attempt(unused, Action(tcp=("a..b", 80)), 5, unused))
    assert failure is not None
    assert "label" in failure

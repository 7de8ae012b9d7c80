"""Tools that tests need: waited for while they are made, skipped where they cannot be, never in CI."""

from __future__ import annotations

import os
import time

import pytest

from delinkcious.tools import finding, installing
from delinkcious.tools.catalogue import Tool

# Compiled beside the tests on 2 cores; a test that waits for it is `late` and has a timeout to match.
MADE_WITHIN_S = 1500.0
POLL_S = 0.5


def needed(tool: Tool) -> str:
    """The path of a tool."""
    deadline = time.monotonic() + MADE_WITHIN_S
    while (found := finding.find(tool)) is None and installing.in_the_making(tool):
        assert time.monotonic() < deadline, f"{tool.name} is still being made: {installing.log(tool)}"
        time.sleep(POLL_S)
    if found is not None:
        return found.path
    why = f"{tool.name} is not on this machine: delinkcious tools install {tool.name}"
    if os.environ.get("CI"):
        pytest.fail(f"{why} {installing.failed(tool)}")
    pytest.skip(why)

"""What the console writes into its own log."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# A failure with a large object beside it, as the request of a page has.
FAILING = """
import sys
import structlog
from mesh.console import __main__ as console

class Failing:
    def run(self):
        large = "secret" * 100_000
        try:
            raise LookupError("no such alert")
        except LookupError:
            structlog.get_logger("page").exception("unhandled error", path="/alerts/")

console.server = lambda *_: Failing()
console.main(["--state", sys.argv[1]])
"""


def test_a_failure_is_one_bounded_line_of_json(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FAILING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    [line] = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["level"], told["service"], told["event"]) == ("error", "console", "unhandled error")
    assert told["exception"].endswith("LookupError: no such alert")
    assert len(line) < 4_000
    assert not done.stderr

"""The table of pods fits a terminal; what is longer to say stands below it."""

from __future__ import annotations

import pytest

from delinkcious.commands.mesh_show import show


def test_a_long_reason_stands_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "it listens at 127.0.0.1:5000, where nobody asks. " + "Three ways lead out of this. " * 5
    row = {"namespace": "default", "name": "api-0", "restarts": 0, "ip": "127.1.0.2", "phase": "Running"}
    waits = {**row, "containers": [{"name": "app", "reason": reason, "ready": False}]}
    runs = {**row, "name": "api-1", "containers": [{"name": "app", "reason": "", "ready": True}]}
    show("pods", [waits, runs], "table")
    table, _, below = capsys.readouterr().out.partition("\n\n")
    assert max(map(len, table.splitlines())) < 130
    assert "Running" in table
    assert below.strip() == f"api-0: {reason}".strip()

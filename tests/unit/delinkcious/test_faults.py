"""The catalogue of faults agrees with the alerts and with its page; what is injected is noted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from delinkcious.faults import records
from delinkcious.faults.catalogue import FAULTS
from delinkcious.faults.model import Fault
from delinkcious.faults.records import Record
from mesh.local.runtime import sweep
from mesh.local.runtime.state import State
from telemetry.grafana.queries import rules


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path)
    made.create()
    return made


def alerts() -> dict[str, set[str]]:
    """The severities of each alert on the local mesh."""
    found: dict[str, set[str]] = {}
    for _, rule in rules("rules-local"):
        if "alert" in rule:
            found.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    return found


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_names_alerts_and_pages_that_exist(fault: Fault) -> None:
    assert set(fault.alerts) <= alerts().keys()
    assert all("page" in alerts()[page.partition(" ")[0]] for page in fault.pages)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_stands_on_the_page_with_its_alerts(fault: Fault, repository: Path) -> None:
    page = (repository / "docs" / "faults.md").read_text()
    [row] = [line for line in page.splitlines() if line.startswith(f"| `{fault.name}` |")]
    assert fault.does in row
    assert all(f"runbooks/{alert}.md" in row for alert in fault.alerts)
    assert f"| {fault.within_s:g} s |" in row


def test_what_is_noted_is_read_again_until_it_is_forgotten(state: State) -> None:
    assert records.read(state, "delay") is None
    noted = Record("delay", time.time() + 60, pid=1, started_at="7", in_force=True)
    records.write(state, noted)
    assert records.read(state, "delay") == noted
    records.forget(state, "delay")
    records.forget(state, "delay")
    assert records.read(state, "delay") is None


def test_a_damaged_note_still_says_that_there_is_something_to_clear(state: State) -> None:
    records.write(state, Record("delay", 0.0))
    records.output(state, "delay").with_suffix(".json").write_text("{")
    assert records.read(state, "delay") == Record("delay", 0.0)


def test_a_holder_is_not_taken_for_another_process_with_its_pid() -> None:
    seen = sweep.look(os.getpid())
    assert seen is not None
    assert Record("delay", 0.0, pid=seen.pid, started_at=seen.started_at).held
    assert not Record("delay", 0.0, pid=seen.pid, started_at="1").held
    assert not Record("delay", 0.0).held

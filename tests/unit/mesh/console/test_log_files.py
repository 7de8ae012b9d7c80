"""Lines of all pods' logs, merged by time; what is no line, or of no interest, is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesh.console import log_files
from mesh.console.log_files import Wanted, find

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def pods(tmp_path: Path) -> Path:
    """Two pods and their logs."""
    written: dict[str, list[object]] = {
        "links-v1-0a1b-0": [
            {"time": "2026-01-02T00:00:01Z", "level": "info", "service": "links", "event": "started"},
            {
                "time": "2026-01-02T00:00:03Z",
                "level": "error",
                "service": "links",
                "event": "failed",
                "trace_id": TRACE,
                "route": "/api/v1/links",
            },
        ],
        "users-v1-0a1b-0": [
            {"time": "2026-01-02T00:00:02Z", "level": "warning", "event": "slow", "trace_id": TRACE},
            {"time": "2026-01-02T00:00:04Z", "level": "info", "event": f"not of {TRACE}"},
            ["no", "line"],
        ],
    }
    for pod, lines in written.items():
        folder = tmp_path / "app" / pod / "logs"
        folder.mkdir(parents=True)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "app.log").write_text(text + "Traceback (most recent call last):\n\n{cut off")
    return tmp_path


def events(pods: Path, **wanted: str) -> list[str]:
    return [line.event for line in find(pods, Wanted(**wanted))]


def test_all_lines_newest_first(pods: Path) -> None:
    assert events(pods) == [f"not of {TRACE}", "failed", "slow", "started"]


def test_a_trace_is_its_field_not_a_text_somewhere(pods: Path) -> None:
    assert events(pods, trace_id=TRACE) == ["failed", "slow"]


def test_levels_mean_that_and_above(pods: Path) -> None:
    assert events(pods, level="warning") == ["failed", "slow"]
    assert events(pods, level="error") == ["failed"]


def test_a_service_is_named_by_its_lines_else_by_its_pod(pods: Path) -> None:
    assert events(pods, service="links") == ["failed", "started"]
    assert [line.service for line in find(pods, Wanted(text="slow"))] == ["users-v1"]
    assert log_files.services(pods) == ["links-v1", "users-v1"]


def test_fields_that_are_not_every_lines_are_kept(pods: Path) -> None:
    [line] = find(pods, Wanted(text="/api/v1/links"))
    assert line.rest == {"route": "/api/v1/links"}


def test_of_a_long_file_only_the_end_is_read(pods: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "TAIL_BYTES", 200)
    file = pods / "app" / "users-v1-0a1b-0" / "logs" / "app.log"
    lines = [json.dumps({"time": f"2026-01-03T00:00:{n:02}Z", "event": f"line {n}"}) for n in range(60)]
    file.write_text("\n".join(lines) + "\n")
    found = [event for event in events(pods) if event.startswith("line")]
    assert found[0] == "line 59"
    assert 1 < len(found) < 6

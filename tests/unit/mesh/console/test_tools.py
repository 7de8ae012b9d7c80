"""What is said of a tool that does not serve."""

from __future__ import annotations

from mesh.console.tools import why


def pod(reason: str) -> dict[str, object]:
    return {"workload": "jaeger", "containers": [{"name": "jaeger", "reason": reason, "ready": False}]}


def test_a_program_that_is_still_to_come_is_said_with_what_to_do() -> None:
    told = why("jaeger", pod("waiting for its program: jaeger"))
    assert told.startswith("Jaeger is not there yet: its program is being built")
    assert "delinkcious tools install jaeger" in told


def test_one_that_starts_says_what_it_waits_for() -> None:
    assert why("prometheus", pod("not ready: 503")) == "Prometheus is starting: not ready: 503."
    assert why("prometheus", pod("")) == "Prometheus is starting."
    assert why("jaeger", None) == "Jaeger is not part of what runs here."

"""Grafana's dashboards: committed as they would be made, and nothing in them that Prometheus cannot read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import yaml

from telemetry.grafana import outputs
from telemetry.grafana.queries import DASHBOARDS, panel_queries
from telemetry.slo.model import load_objectives
from tests.promtool import ask


def test_what_is_committed_is_what_would_be_made() -> None:
    made = outputs.outputs()
    assert set(DASHBOARDS.glob("*.json")) == set(made)
    for path, text in made.items():
        assert path.read_text() == text, f"{path.name} is not current: run `make slo`"


def test_every_panel_has_a_name_of_its_own_and_a_query() -> None:
    names = Counter(query.name for query in panel_queries())
    assert [name for name, times in names.items() if times > 1] == []
    for path in DASHBOARDS.glob("*.json"):
        board = json.loads(path.read_text())
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert all(panel["targets"] for panel in panels)
        assert {panel["datasource"]["uid"] for panel in panels} == {"prometheus"}


def test_each_objective_has_its_row() -> None:
    shown = {query.panel.split(":")[0] for query in panel_queries() if query.dashboard == "slo"}
    assert {slo.name for slo in load_objectives().slos} <= shown


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    queries = [query.asked("5m") for query in panel_queries()]
    assert not [query for query in queries if "$" in query]
    asked = [{"record": f"q{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    ask("check", "rules", tmp_path / "queries.yml")

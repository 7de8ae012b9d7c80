"""Every query that a panel or a rule asks, so that a test can ask a running Prometheus the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TELEMETRY = Path(__file__).resolve().parent.parent
DASHBOARDS = TELEMETRY / "grafana" / "dashboards"
RULES = TELEMETRY / "prometheus"


@dataclass(frozen=True)
class PanelQuery:
    """A query of a panel as Grafana has it, with its variables."""

    dashboard: str
    panel: str
    ref: str
    expr: str

    @property
    def name(self) -> str:
        return f"{self.dashboard}: {self.panel} ({self.ref})"

    def asked(self, window: str, service: str = ".+") -> str:
        """The query that Prometheus gets: rates over `window`, of services whose name matches `service`."""
        expr = self.expr
        for variable, value in (("$__rate_interval", window), ("$__range", window), ("$service", service)):
            expr = expr.replace(variable, value)
        return expr


def panel_queries(folder: Path = DASHBOARDS) -> Iterator[PanelQuery]:
    """All queries of all committed dashboards."""
    for path in sorted(folder.glob("*.json")):
        for panel in _panels(json.loads(path.read_text())):
            title = panel["title"]
            for target in panel.get("targets", ()):
                yield PanelQuery(path.stem, title, target["refId"], target["expr"])


def _panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    section = ""
    for panel in board["panels"]:
        if panel["type"] == "row":
            section = panel["title"]
            yield from (
                {**inner, "title": f"{section}: {inner['title']}"} for inner in panel.get("panels", ())
            )
        else:
            yield {**panel, "title": f"{section}: {panel['title']}" if section else panel["title"]}


def rules(variant: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All rules of `rules` or `rules-local`, each with the name of its group."""
    for path in sorted((RULES / variant).glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from ((group["name"], rule) for rule in group["rules"])

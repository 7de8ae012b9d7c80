"""Every dashboard's place and text."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from telemetry.grafana.events import events
from telemetry.grafana.mesh import mesh
from telemetry.grafana.objectives import objectives
from telemetry.grafana.overview import overview
from telemetry.grafana.service import service
from telemetry.slo.model import load_objectives

DASHBOARDS = Path(__file__).resolve().parent / "dashboards"


def outputs() -> dict[Path, str]:
    """The texts by place, the same for the same input."""
    made = {
        "overview": overview(),
        "service": service(),
        "mesh": mesh(),
        "events": events(),
        "slo": objectives(load_objectives()),
    }
    return {DASHBOARDS / f"{name}.json": _text(board) for name, board in made.items()}


def _text(board: Dashboard) -> str:
    built = board.build()
    for number, panel in enumerate(built.panels or (), 1):
        panel.id_val = number
    return JSONEncoder(sort_keys=True, indent=1).encode(built) + "\n"


def write() -> None:
    DASHBOARDS.mkdir(exist_ok=True)
    for path, text in outputs().items():
        path.write_text(text)

"""Every file that is made from the objectives and alerts: its place and its text."""

from __future__ import annotations

from pathlib import Path

from telemetry.slo import page, rules, trials
from telemetry.slo.model import load_alerts, load_objectives

ROOT = Path(__file__).resolve().parent.parent.parent
PROMETHEUS = ROOT / "telemetry" / "prometheus"
HEADER = "Made from telemetry/slo by `make slo`; do not edit."
# The rules as they are for a cluster, and with the short windows of the local mesh.
VARIANTS = ("rules", "rules-local")


def outputs() -> dict[Path, str]:
    """The texts by place, the same for the same input; raises InvalidObjectives."""
    objectives, alerts = load_objectives(), load_alerts()
    made = {ROOT / "docs" / "slos.md": page.page(objectives, alerts)}
    for variant in VARIANTS:
        scale = 1 if variant == "rules" else objectives.local_scale
        scaled = rules.scale_by(scale)
        for service, groups in rules.slo_groups(objectives, scaled).items():
            made[PROMETHEUS / variant / f"slo-{service}.yml"] = _written({"groups": groups})
        made[PROMETHEUS / variant / "alerts.yml"] = _written({"groups": rules.alert_groups(alerts, scaled)})
        trial = trials.trials(objectives, scale, f"../{variant}/slo-*.yml")
        made[PROMETHEUS / "tests" / f"burn-{variant}.yml"] = _written(trial)
    return made


def _written(document: object) -> str:
    return rules.write_yaml(HEADER, document)


def write() -> None:
    for path, text in outputs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

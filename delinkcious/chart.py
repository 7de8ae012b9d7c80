"""The chart's render for the local mesh: one description of the workloads, committed, never edited.

`python -m delinkcious.chart` writes it anew, and the table of values in the chart's README.md (it needs the
development extra); a test proves both current.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "delinkcious"
RENDERED = ROOT / "helm" / "local.yaml"
OVERLAY = "values-local-{}.yaml"
NAMESPACE = "delinkcious"

HEADER = "# Rendered from helm/delinkcious with {} by `make render`; do not edit.\n"


def render(values: dict[str, Any] | None = None) -> str:
    """The manifests that Helm would apply, as one YAML stream; `values` go over the chart's defaults."""
    import helm_python

    with helm_python.Chart.load(str(CHART)) as chart:
        templates: dict[str, str] = chart.render(values or {}, name="delinkcious", namespace=NAMESPACE)
    manifests = [
        text.strip().removeprefix("---").strip()
        for name, text in sorted(templates.items())
        if name.endswith(".yaml") and text.strip()
    ]
    return "\n---\n".join(manifests) + "\n"


def local_values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CHART / "values-local.yaml").read_text())
    return values


def environments() -> list[str]:
    """Those beside the usual one: each has values of its own, over those of the usual one."""
    prefix, _, suffix = OVERLAY.partition("{}")
    return sorted(
        file.name.removeprefix(prefix).removesuffix(suffix) for file in CHART.glob(OVERLAY.format("*"))
    )


def rendered(environment: str) -> Path:
    """Where what an environment runs is kept."""
    return RENDERED.with_name(f"local-{environment}.yaml")


def render_local(environment: str = "") -> str:
    """What the local mesh runs, as the usual environment or as another."""
    if not environment:
        return HEADER.format("values-local.yaml") + render(local_values())
    name = OVERLAY.format(environment)
    own: dict[str, Any] = yaml.safe_load((CHART / name).read_text())
    return HEADER.format(f"values-local.yaml and {name}") + render(over(local_values(), own))


def over(values: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`other` laid over `values`, as Helm lays one file of values over another."""
    merged = dict(values)
    for key, value in other.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = over(below, value)
        else:
            merged[key] = value
    return merged


def write() -> None:
    """Everything that is made of the chart and committed."""
    from delinkcious import chart_reference

    RENDERED.write_text(render_local())
    for name in environments():
        rendered(name).write_text(render_local(name))
    chart_reference.write()


if __name__ == "__main__":
    write()

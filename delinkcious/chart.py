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
NAMESPACE = "delinkcious"

HEADER = "# Rendered from helm/delinkcious with values-local.yaml by `make render`; do not edit.\n"


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


def render_local() -> str:
    return HEADER + render(local_values())


def write() -> None:
    """Everything that is made of the chart and committed."""
    from delinkcious import chart_reference

    RENDERED.write_text(render_local())
    chart_reference.write()


if __name__ == "__main__":
    write()

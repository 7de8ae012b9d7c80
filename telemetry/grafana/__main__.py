"""`python -m telemetry.grafana`: write the dashboards."""

from __future__ import annotations

from telemetry.grafana.outputs import write

if __name__ == "__main__":
    write()

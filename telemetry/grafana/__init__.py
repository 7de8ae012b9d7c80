"""Grafana's dashboards as code: what is shown, and the files that Grafana reads.

`python -m telemetry.grafana` (part of `make slo`) writes `dashboards/*.json`, which is committed and never
edited; it needs the development extra. `queries` reads them back: a test runs every query of every panel.
"""

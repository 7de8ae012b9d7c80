"""What users may expect, as data, and everything that follows from it: rules, alerts, their tests, a page.

Lives here: the objectives (`slos.yaml`), the other alerts (`alerts/`), how both are judged (`model`) and
turned into Prometheus' rules (`rules`), into inputs of `promtool test rules` (`trials`), into words (`page`).
`python -m telemetry.slo` writes all of it; what it writes is committed and never edited.
"""

"""Every rule of the chart, by theme: functions whose names say what is so."""

from __future__ import annotations

from tests.chart.rules import (
    changes,
    containers,
    peers,
    pod_security,
    policies,
    references,
    rights,
    selectors,
)

THEMES = (containers, pod_security, selectors, references, rights, changes, policies, peers)
RULES = tuple(rule for theme in THEMES for rule in theme.RULES)

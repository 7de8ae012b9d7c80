"""Alerting rules as Prometheus tells of them, and in the words that a page has for them (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

STATES = ("firing", "pending", "inactive")
# Of a rule's or an alert's labels, those that a heading says already.
_SAID = frozenset(("alertname", "severity"))
_TEMPLATE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_LABEL = re.compile(r"\$labels\.(\w+)")


class Alert(msgspec.Struct):
    state: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    active_at: str = msgspec.field(default="", name="activeAt")


class Rule(msgspec.Struct):
    name: str
    state: str = "inactive"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    alerts: list[Alert] = []

    @property
    def severity(self) -> str:
        return self.labels.get("severity", "")


class Group(msgspec.Struct):
    name: str
    rules: list[Rule] = []


class Groups(msgspec.Struct):
    groups: list[Group] = []


class Rules(msgspec.Struct):
    data: Groups


@dataclass(frozen=True)
class Active:
    """An alert that fires or is about to. Whoever wrote the rule may have annotated nothing: texts are ""."""

    name: str
    state: str
    severity: str
    summary: str
    description: str
    since: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Quiet:
    """Rules of one name and severity, none of which fires: what they would say, and of what (`about`)."""

    name: str
    severity: str
    texts: tuple[str, ...]
    about: tuple[str, ...]


def active(rules: Iterable[Rule]) -> list[Active]:
    """Every alert, those that fire first."""
    found = [_active(rule, alert) for rule in rules for alert in rule.alerts]
    return sorted(found, key=lambda alert: (_urgency(alert.state), alert.name, alert.labels))


def quiet(rules: Iterable[Rule]) -> list[Quiet]:
    """Those that say nothing now, in the order of their names; an objective has a rule for each window."""
    groups: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules:
        if rule.state == "inactive":
            groups.setdefault((rule.name, rule.severity), []).append(rule)
    return [_quiet(name, severity, group) for (name, severity), group in sorted(groups.items())]


def plain(template: str) -> str:
    """A template of Prometheus to be read: `{{ $labels.app }}` becomes <app>, any other value …"""

    def said(match: re.Match[str]) -> str:
        label = _LABEL.fullmatch(match[1])
        return f"<{label[1]}>" if label else "…"

    return _TEMPLATE.sub(said, template)


def _active(rule: Rule, alert: Alert) -> Active:
    summary, description = _texts(alert.annotations)
    labels = tuple(sorted((name, value) for name, value in alert.labels.items() if name not in _SAID))
    severity = alert.labels.get("severity", rule.severity)
    return Active(rule.name, alert.state, severity, summary, description, alert.active_at, labels)


def _texts(annotations: Mapping[str, str]) -> tuple[str, str]:
    """The line that says it, and what more there is."""
    summary, description = annotations.get("summary", ""), annotations.get("description", "")
    return (summary, description) if summary else (description, "")


def _quiet(name: str, severity: str, rules: list[Rule]) -> Quiet:
    objectives = tuple(sorted({rule.labels["slo"] for rule in rules if "slo" in rule.labels}))
    texts: dict[str, None] = {}
    for rule in rules:
        text = plain(_texts(rule.annotations)[0])
        if len(objectives) > 1 and "slo" in rule.labels:
            text = text.replace(rule.labels["slo"], "<slo>")
        if text:
            texts[text] = None
    return Quiet(name, severity, tuple(texts), objectives if len(objectives) > 1 else ())


def _urgency(state: str) -> int:
    return STATES.index(state) if state in STATES else 0

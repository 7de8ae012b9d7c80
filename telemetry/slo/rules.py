"""Prometheus' rules from objectives and alerts: recorded shares, burn-rate alerts, everything else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import yaml

from telemetry.slo.indicators import BAD_MOMENT, bad_and_total, bad_moment
from telemetry.slo.model import DURATION, AlertFile, BurnRate, Moments, Objective, Objectives, seconds

Rule: TypeAlias = dict[str, Any]
Scaled: TypeAlias = Callable[[str], str]

BAD = "slo:bad:rate5m"
TOTAL = "slo:total:rate5m"
OBJECTIVE = "slo:objective:ratio"
BUDGET_LEFT = "slo:error_budget_left:ratio"
RUNBOOKS = "telemetry/runbooks"
# The budget of a month needs no new value every few seconds, and each costs a look at the month.
BUDGET_EVERY = "5m"
# Two evaluations on the local mesh: shorter, a scrape that comes late would be an alert.
SHORTEST_WAIT_S = 10


def scale_by(scale: int) -> Scaled:
    """Durations divided by `scale`, in the largest unit that divides them."""

    def scaled(duration: str) -> str:
        left = max(1, seconds(duration) // scale)
        for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
            if left % size == 0:
                return f"{left // size}{unit}"
        return f"{left}s"

    return scaled


def error_ratio(window: str) -> str:
    """The name of the recorded share of what was bad over a (nominal) window."""
    return f"slo:error_ratio:rate{window}"


def windows(objectives: Objectives) -> list[str]:
    found = {window for rate in objectives.burn_rates for window in (rate.long, rate.short)}
    return sorted(found, key=seconds)


def speed(rate: BurnRate) -> str:
    """In words: once too fast would be no faster than is allowed."""
    return "faster than is allowed" if rate.factor == 1 else f"{rate.factor:g} times too fast"


def slo_groups(objectives: Objectives, scaled: Scaled) -> dict[str, list[Rule]]:
    """Per service a group for each of its objectives, and under `budgets` one of all budgets."""
    found: dict[str, list[Rule]] = {}
    for slo in objectives.slos:
        rates = (rate for rate in objectives.burn_rates if slo.pages or rate.severity == "ticket")
        burning = [_burning(slo, rate, objectives.fewest_requests, scaled) for rate in rates]
        rules = [*_recorded(slo, windows(objectives), scaled), *burning]
        found.setdefault(slo.service, []).append({"name": f"slo-{slo.name}", "rules": rules})
    budgets = [_budget(slo, scaled(objectives.period)) for slo in objectives.slos]
    found["budgets"] = [{"name": "slo-budgets", "interval": scaled(BUDGET_EVERY), "rules": budgets}]
    return found


def alert_groups(files: Mapping[str, AlertFile], scaled: Scaled) -> list[Rule]:
    """A group per file of alerts."""
    return [{"name": name, "rules": list(_alerts(file, scaled))} for name, file in files.items()]


def _labels(slo: Objective) -> dict[str, str]:
    return {"service": slo.service, "slo": slo.name}


def _recorded(slo: Objective, spans: Iterable[str], scaled: Scaled) -> Iterator[Rule]:
    def record(name: str, expr: str) -> Rule:
        return {"record": name, "expr": expr, "labels": _labels(slo)}

    if isinstance(slo.indicator, Moments):
        yield record(BAD_MOMENT, _shorter(bad_moment(slo.indicator), scaled))
    bad, total = bad_and_total(slo, scaled("5m"))
    yield record(BAD, bad)
    yield record(TOTAL, total)
    yield record(OBJECTIVE, f"vector({slo.objective / 100:g})")
    # Long windows from what is recorded: the raw series of three days would be read again every few seconds.
    for window in spans:
        yield record(error_ratio(window), _share(slo, scaled(window)))


def _share(slo: Objective, window: str) -> str:
    of = f'{{slo="{slo.name}"}}[{window}]'
    return f"avg_over_time({BAD}{of}) / (avg_over_time({TOTAL}{of}) > 0)"


def _burning(slo: Objective, rate: BurnRate, fewest: int, scaled: Scaled) -> Rule:
    threshold = f"{round(rate.factor * slo.budget, 9):g}"
    of = f'{{slo="{slo.name}"}}'
    conditions = [f"{error_ratio(window)}{of} > {threshold}" for window in (rate.long, rate.short)]
    if not isinstance(slo.indicator, Moments):
        an_hour = seconds(scaled("1h"))
        conditions.append(f"avg_over_time({TOTAL}{of}[{scaled(rate.long)}]) * {an_hour} >= {fewest}")
    return {
        "alert": slo.indicator.alert,
        "expr": "\nand\n".join(conditions),
        "labels": {**_labels(slo), "severity": rate.severity, "window": rate.long},
        "annotations": {
            "summary": f"{slo.name}: the error budget is being spent {speed(rate)}",
            "description": f"{slo.promise} This is promised for {slo.objective:g} %.",
            "runbook_url": runbook(slo.indicator.alert),
        },
    }


def _budget(slo: Objective, period: str) -> Rule:
    expr = f"1 - ({_share(slo, period)}) / {slo.budget:g}"
    return {"record": BUDGET_LEFT, "expr": expr, "labels": _labels(slo)}


def _alerts(file: AlertFile, scaled: Scaled) -> Iterator[Rule]:
    for alert in file.alerts:
        rule: Rule = {"alert": alert.alert, "expr": _shorter(alert.expr.strip(), scaled)}
        if alert.wait is not None:
            wait = scaled(alert.wait)
            rule["for"] = wait if seconds(wait) >= SHORTEST_WAIT_S else f"{SHORTEST_WAIT_S}s"
        rule["labels"] = {"severity": file.severity}
        rule["annotations"] = {"summary": alert.summary, "runbook_url": runbook(alert.alert)}
        yield rule


def runbook(alert: str) -> str:
    return f"{RUNBOOKS}/{alert}.md"


def _shorter(expression: str, scaled: Scaled) -> str:
    """The same expression with scaled windows."""
    return re.sub(rf"\[({DURATION})\]", lambda window: f"[{scaled(window[1])}]", expression)


class _Dumper(yaml.SafeDumper):
    """Writes what has lines as lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def write_yaml(header: str, document: object) -> str:
    """One document under a comment, the same for the same content."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return f"# {header}\n{text}"

"""Inputs of `promtool test rules` for the burn-rate alerts: each fires above its rate and not below.

A trial spends every objective's budget at one speed from the start, so that all windows hold the same
share: the alerts whose factor is smaller fire, the others do not. That windows end is tried by hand, in
`telemetry/prometheus/tests/windows.yml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby, pairwise
from math import ceil
from typing import Any, TypeAlias

from telemetry.slo import indicators, rules
from telemetry.slo.model import Availability, Latency, Moments, Objective, Objectives

Trial: TypeAlias = dict[str, Any]

TICKS = 40
# How often is scraped and evaluated, in seconds: as seldom as the shortest windows bear, for speed.
TICK_S, LOCAL_TICK_S = 60, 5
PER_TICK = 1_000
# Of moments there are some more above the highest factor: few are in its short window.
TOP_SPEED, FOR_CERTAIN = 14.4, 2.5
# A fifth above each factor, and below the least of them.
ABOVE, BELOW = 1.2, 0.8

# What makes a moment a bad one: a series, its value then.
BAD_MOMENTS = {
    "news-freshness": ('outbox_lag_seconds{app="links"}', 60),
    "link-check-lag": ("link_checker_queue_age_seconds", 1_800),
}


def trials(objectives: Objectives, scale: int, rule_file: str) -> Trial:
    """The document for one variant of the rules."""
    factors = sorted(rate.factor for rate in objectives.burn_rates)
    # The local mesh has the same expressions with shorter windows: that all fire, or none, is enough to try.
    above = factors if scale == 1 else factors[-1:]
    speeds = [BELOW * factors[0], *(ABOVE * factor for factor in above)]
    tick_s = TICK_S if scale == 1 else LOCAL_TICK_S
    return {
        "rule_files": [rule_file],
        "evaluation_interval": f"{tick_s}s",
        "tests": [_trial(objectives, round(speed, 3), tick_s, scale) for speed in speeds],
    }


def _trial(objectives: Objectives, speed: float, tick_s: int, scale: int) -> Trial:
    scaled = rules.scale_by(scale)
    expected: dict[str, list[Trial]] = {}
    for group in chain.from_iterable(rules.slo_groups(objectives, scaled).values()):
        for rule in group["rules"]:
            if "alert" in rule:
                expected.setdefault(rule["alert"], []).extend(_fired(objectives, rule, speed))
    series = [entry for slo in objectives.slos for entry in _series(slo, speed, scale)]
    return {
        "name": f"budgets spent {speed:g} times too fast",
        "interval": f"{tick_s}s",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "alert_rule_test": [
            {"eval_time": f"{TICKS * tick_s}s", "alertname": alert, "exp_alerts": fired}
            for alert, fired in expected.items()
        ],
    }


def _fired(objectives: Objectives, rule: rules.Rule, speed: float) -> Iterator[Trial]:
    (factor,) = (rate.factor for rate in objectives.burn_rates if rate.long == rule["labels"]["window"])
    if speed > factor:
        yield {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}


def _series(slo: Objective, speed: float, scale: int) -> Iterator[tuple[str, str]]:
    bad = round(speed * slo.budget * PER_TICK, 6)
    indicator = slo.indicator
    if isinstance(indicator, Moments):
        name, value = BAD_MOMENTS[slo.name]
        # Moments are whole ones: at the highest speed the short window is to hold enough of them for certain.
        share = speed * slo.budget * (FOR_CERTAIN if speed > TOP_SPEED else 1)
        yield name, _moments(min(share, 1), value)
    elif isinstance(indicator, Availability):
        good, failed = _outcomes(indicator)
        yield _istio("istio_requests_total", slo, good), _rising(PER_TICK - bad)
        yield _istio("istio_requests_total", slo, failed), _rising(bad)
    else:
        yield from _durations(slo, indicator, bad, ".0" if scale > 1 else "")


def _durations(slo: Objective, indicator: Latency, bad: float, suffix: str) -> Iterator[tuple[str, str]]:
    # The suffix is how Prometheus 3 writes a bound; both ways must do.
    name = "istio_request_duration_milliseconds_bucket"
    good, _ = _outcomes(indicator)
    for bound, count in ((indicator.within_ms, PER_TICK - bad), (indicators.LONGEST_MS, PER_TICK)):
        yield _istio(name, slo, f'{good}, le="{bound}{suffix}"'), _rising(count)


def _outcomes(indicator: Availability | Latency) -> tuple[str, str]:
    """The labels of what went well and of what did not."""
    if indicator.protocol == "grpc":
        code = 'response_code="200", response_flags="-"'
        return f'{code}, grpc_response_status="0"', f'{code}, grpc_response_status="14"'
    return 'response_code="200", response_flags="-"', 'response_code="503", response_flags="UF"'


def _istio(name: str, slo: Objective, labels: str) -> str:
    of = f'destination_service_name="{slo.service}", destination_service_namespace="{indicators.NAMESPACE}"'
    return f'{name}{{reporter="source", {of}, {labels}}}'


def _rising(per_tick: float) -> str:
    return f"0+{per_tick:g}x{TICKS}"


def _moments(share: float, value: int) -> str:
    """Values of which about `share` are bad, spread evenly; no more than that when it is less than one."""
    bad = int(share * TICKS) if share * TICKS < 0.4 else ceil(share * TICKS)
    places = [(2 * tick * bad + TICKS) // (2 * TICKS) for tick in range(TICKS + 1)]
    values = [value if after > before else 0 for before, after in pairwise(places)]
    runs = ((one, len(list(run))) for one, run in groupby([0, *values]))
    return " ".join(f"{one}+0x{length - 1}" if length > 1 else f"{one}" for one, length in runs)

"""The page that says what is promised and who is told when it is not kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from telemetry.slo.model import AlertFile, Availability, Indicator, Latency, Objectives
from telemetry.slo.rules import scale_by, speed

_INTRODUCTION = """\
<!-- Made from telemetry/slo by `make slo`; do not edit. -->
# What is promised, and who is told

An objective holds over {period}; what it allows to go wrong is its error budget. Requests are counted
where somebody waits for them, at the caller's sidecar and the gateway, so a delay of the network or of a
policy counts too. Whoever goes away before the answer is not counted, nor is what lasts longer than half a
minute: that is a file or live news.
"""

_BURNING = """\
## When somebody is told

By the multi-window, multi-burn-rate alerts of *The Site Reliability Workbook* (chapter 5): budget is
spent so many times faster than the period allows, over the long window and still over the short one,
which ends the alert soon after the fault. With fewer than {fewest} requests an hour nobody is told.

On the local mesh all windows and waiting times are {scale} times shorter, so that you can break
something and see the alert; recorded series keep the names of the nominal windows.

| spent | over | and over | is | on the local mesh |
|---|---|---|---|---|
"""

_OTHERS = """\
## Everything else

Only what users notice calls somebody. What may be the cause is a ticket: it says where to look once
users notice, or what will break next. Each alert has a page in
[telemetry/runbooks](../telemetry/runbooks): what it means for users, where to look first, how to mend
it and how to see that it is mended.

| alert | is | says |
|---|---|---|
"""

_CHANGING = """
## Changing them

Edit `telemetry/slo/slos.yaml` or a file of `telemetry/slo/alerts/`, say `make slo`, and write the runbook
of a new alert; the tests ask for it. `promtool test rules telemetry/prometheus/tests/*.yml` tries every
alert both ways. Dashboards are made the same way, by the modules of `telemetry/grafana/`.
"""


def page(objectives: Objectives, alerts: Mapping[str, AlertFile]) -> str:
    lines = [
        _INTRODUCTION.format(period=_words(objectives.period)),
        "| service | promise | kept for | alert | calls somebody |\n|---|---|---|---|---|",
        *_promises(objectives),
        "",
        _BURNING.format(fewest=objectives.fewest_requests, scale=objectives.local_scale).rstrip(),
        *_burn_rates(objectives),
        "",
        _OTHERS.rstrip(),
        *_others(alerts),
    ]
    return "\n".join(lines) + "\n" + _CHANGING


def _promises(objectives: Objectives) -> Iterator[str]:
    for slo in objectives.slos:
        runbook = f"[{slo.indicator.alert}](../telemetry/runbooks/{slo.indicator.alert}.md)"
        pages = "yes" if slo.pages else "no"
        what = _of_what(slo.indicator)
        yield f"| {slo.service} | {slo.promise} | {slo.objective:g} % of {what} | {runbook} | {pages} |"


def _of_what(indicator: Indicator) -> str:
    if isinstance(indicator, Availability):
        return "calls" if indicator.protocol == "grpc" else "requests"
    return "answers" if isinstance(indicator, Latency) else "the time"


def _burn_rates(objectives: Objectives) -> Iterator[str]:
    scaled = scale_by(objectives.local_scale)
    for rate in objectives.burn_rates:
        local = f"{_words(scaled(rate.long))}, {_words(scaled(rate.short))}"
        windows = f"{_words(rate.long)} | {_words(rate.short)}"
        yield f"| {speed(rate)} | {windows} | a {rate.severity} | {local} |"


def _others(alerts: Mapping[str, AlertFile]) -> Iterator[str]:
    for file in alerts.values():
        for alert in file.alerts:
            runbook = f"[{alert.alert}](../telemetry/runbooks/{alert.alert}.md)"
            yield f"| {runbook} | a {file.severity} | {_plain(alert.summary)} |"


def _plain(summary: str) -> str:
    """A template of Prometheus with its values named: `{{ $labels.app }}` becomes *app*."""
    parts = summary.split("{{")
    plain = [parts[0]]
    for part in parts[1:]:
        value, _, text = part.partition("}}")
        name = value.split("|")[0].strip().removeprefix("$labels.").removeprefix("$")
        plain.append(f"*{name}*{text}")
    return "".join(plain)


def _words(duration: str) -> str:
    units = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
    number, unit = int(duration[:-1]), units[duration[-1]]
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"

"""Istio's metrics in Prometheus' text format, as a sidecar's admin interface gives them (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping

REQUESTS = "istio_requests_total"
DURATIONS = "istio_request_duration_milliseconds_bucket"
# What Envoy puts before the names of its own metrics; Prometheus' configuration strips it, too.
_PREFIX = "envoy_"
_WANTED = tuple(prefix + name + "{" for prefix in (_PREFIX, "") for name in (REQUESTS, DURATIONS))
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
# Of this many different series labels are remembered, since each scrape has them again.
_REMEMBERED = 20_000

# A metric's name and its labels as they are written.
Key = tuple[str, str]


def read(text: str) -> dict[Key, float]:
    """The counters of requests and the buckets of their durations; everything else is left out."""
    found: dict[Key, float] = {}
    for line in text.splitlines():
        if line.startswith(_WANTED):
            brace, end = line.index("{"), line.rfind("}")
            try:
                value = float(line[end + 1 :].split()[0])
            except (IndexError, ValueError):
                continue  # a line that was cut off
            found[line[:brace].removeprefix(_PREFIX), line[brace + 1 : end]] = value
    return found


class Labels:
    """Labels by their text, read once."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, str]] = {}

    def of(self, text: str) -> Mapping[str, str]:
        if text not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[text] = {name: _plain(value) for name, value in _LABEL.findall(text)}
        return self._known[text]


def _plain(value: str) -> str:
    return (
        _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], value) if "\\" in value else value
    )

"""One line of any program, read as far as it can be: our schema, or the words of a store or proxy."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from mesh.logs.sources import Source
from telemetry.line import LEVELS
from telemetry.redaction import clean

RANK: dict[str, int] = {name: number for number, name in enumerate(LEVELS)}
USUAL = "info"

ISO = ""

_WORDS = {
    "dbg": "debug",
    "trc": "debug",
    "trace": "debug",
    "inf": "info",
    "log": "info",
    "notice": "info",
    "wrn": "warning",
    "warn": "warning",
    "warning": "warning",
    "err": "error",
    "error": "error",
    "fatal": "critical",
    "ftl": "critical",
    "panic": "critical",
    "critical": "critical",
}
# Of PostgreSQL, NATS, Redis, Envoy, the mesh, Jaeger, a library of Jaeger's, and Prometheus: how a line
# begins, with time, zone (this machine's unless it is one of `_UTC`) and level, and the format of its time.
_HEADS = (
    (re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) (\w+) \[\d+\] (\w+): +"), "%Y-%m-%d %H:%M:%S.%f"),
    (re.compile(r"\[\d+\] (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+) ()\[(\w+)\] "), "%Y/%m/%d %H:%M:%S.%f"),
    (re.compile(r"\d+:\w (\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d+) ()([-.*#]) "), "%d %b %Y %H:%M:%S.%f"),
    (
        re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+)\]()\[\d+\]\[(\w+)\]"),
        "%Y-%m-%d %H:%M:%S.%f",
    ),
    (re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)(Z)() "), "%Y-%m-%dT%H:%M:%S.%f"),
    (re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-][\d:]+))()\t(\w+)\t"), ISO),
    (re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)()() "), "%Y/%m/%d %H:%M:%S"),
    (re.compile(r"time=(\d{4}-\d\d-\d\dT\S+) ()level=(\w+) "), ISO),
)
_REDIS = {".": "debug", "-": "debug", "*": "info", "#": "warning"}
_UTC = ("UTC", "GMT", "Z")


@dataclass(frozen=True)
class Entry:
    """A line: when (seconds since 1970), whose, how severe, its fields; `event` is what it says."""

    time_s: float
    source: Source
    level: str
    event: str
    fields: dict[str, Any]

    @property
    def trace_id(self) -> str:
        """Of the line itself, or of the header that a proxy saw; empty without one."""
        found = self.fields.get("trace_id")
        if not found and isinstance(parent := self.fields.get("traceparent"), str):
            found = parent[3:35]
        return str(found or "")


def read(line: str, source: Source, before: Entry | None, otherwise_s: float) -> Entry:
    """A line without its newline; one without a time of its own goes with the one before it."""
    if line.startswith("{"):
        try:
            fields = msgspec.json.decode(line, type=dict[str, Any])
            moment = dt.datetime.fromisoformat(str(fields["time"]))
        except (msgspec.MsgspecError, ValueError, KeyError):
            pass
        else:
            level = str(fields.get("level", USUAL))
            level = level if level in RANK else USUAL
            return Entry(_seconds(moment), source, level, str(fields.get("event", "")), fields)
    for head, form in _HEADS:
        if match := head.match(line):
            try:
                moment = _moment(match[1], form)
            except ValueError:
                continue
            moment = moment.replace(tzinfo=dt.UTC) if match[2] in _UTC else moment.astimezone()
            return Entry(_seconds(moment), source, _level(match[3]), clean(line[match.end() :]), {})
    time_s = before.time_s if before is not None else otherwise_s
    return Entry(time_s, source, before.level if before is not None else USUAL, clean(line), {})


def _moment(text: str, form: str) -> dt.datetime:
    """Raises ValueError."""
    if form == ISO:
        return dt.datetime.fromisoformat(text)
    return dt.datetime.strptime(text, form)  # noqa: DTZ007 - whoever asks adds the zone


def _seconds(moment: dt.datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _level(word: str) -> str:
    return _REDIS.get(word) or _WORDS.get(word.lower(), USUAL)

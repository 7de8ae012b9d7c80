"""An entry as a line for people, or as JSON by the schema."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import click
import msgspec

from delinkcious.terminal import shown
from mesh.logs.entry import Entry

SOURCE_WIDTH = 22
COLOURS = {"debug": "bright_black", "warning": "yellow", "error": "red", "critical": "bright_red"}
# Shown in a place of their own, or the same in every line of a process.
_PLACED = """
    time level event service version pod workload method route path authority status duration_ms trace_id
    span_id traceparent exception
"""
PLACED = frozenset(_PLACED.split())
# What of a proxy's line says where a request went, and why it ended.
TELLING = ("flags", "details", "upstream_cluster", "peer", "upstream_failure", "request_id")

Show = Callable[[Entry], str]

_encoder = msgspec.json.Encoder()


def as_json(entry: Entry) -> str:
    """One object; a line of another program becomes one by our schema. `source` says which process."""
    moment = dt.datetime.fromtimestamp(entry.time_s, dt.UTC).isoformat(timespec="microseconds")
    own: dict[str, Any] = {
        "time": moment.replace("+00:00", "Z"),
        "level": entry.level,
        "event": entry.event,
        "service": entry.source.service,
        "source": entry.source.title,
    }
    fields = {name: value for name, value in entry.fields.items() if value is not None}
    return _encoder.encode(own | fields).decode()


def as_text(entry: Entry) -> str:
    """One line, an exception below it; colours are for a terminal and fall off elsewhere."""
    moment = dt.datetime.fromtimestamp(entry.time_s, dt.UTC).astimezone()
    stamp = moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
    colour = COLOURS.get(entry.level)
    parts = [
        click.style(stamp, dim=True),
        click.style(f"{entry.level[:5]:<5}", fg=colour),
        click.style(f"{entry.source.title:<{SOURCE_WIDTH}}", fg="cyan"),
        click.style(shown(_said(entry)), fg=colour),
        click.style(shown(_rest(entry.fields)), dim=True),
    ]
    lines = [" ".join(part for part in parts if click.unstyle(part))]
    if isinstance(exception := entry.fields.get("exception"), str):
        lines += [click.style(f"    {shown(line)}", fg=colour) for line in exception.splitlines()]
    return "\n".join(lines)


def _said(entry: Entry) -> str:
    fields = entry.fields
    where = fields.get("route") or fields.get("path")
    if entry.event not in ("request", "access") or not fields.get("method"):
        return entry.event if not where else f"{entry.event}: {fields.get('method', '')} {where}".strip()
    what = f"{fields['method']} {where or ''} {fields.get('status', '')}"
    return what + (f" {fields['duration_ms']} ms" if fields.get("duration_ms") is not None else "")


def _rest(fields: dict[str, Any]) -> str:
    names = TELLING if fields.get("event") == "access" else [name for name in fields if name not in PLACED]
    told = [f"{name}={_value(fields[name])}" for name in names if fields.get(name) not in (None, "", "-")]
    if trace_id := fields.get("trace_id"):
        told.append(f"trace={trace_id}")
    return " ".join(told)


def _value(value: object) -> str:
    return value if isinstance(value, str) else _encoder.encode(value).decode()

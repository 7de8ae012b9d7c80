"""The schema of a log line: one for services, proxies and whoever reads them. docs/logs.md is its table."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error", "critical")
Hex32 = Annotated[str, Meta(pattern="^([0-9a-f]{32})?$")]
Hex16 = Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")]


class Line(msgspec.Struct, kw_only=True, frozen=True):
    """What every line has, and what it has when it is about a request; each event adds fields of its own.

    A proxy writes null where it has nothing to say, a service leaves the field out.
    """

    time: dt.datetime
    level: Level
    event: str
    service: str
    version: str | None = None
    pod: str | None = None
    trace_id: Hex32 | None = None
    span_id: Hex16 | None = None
    principal: int | str | None = None
    method: str | None = None
    route: str | None = None
    status: int | None = None
    duration_ms: float | None = None


def parse(line: bytes | str) -> Line:
    """A line by the schema. Raises msgspec.MsgspecError, which says where it does not fit."""
    return msgspec.json.decode(line, type=Line)

"""Lines of the logs of all pods, newest first: the only place that knows how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

LEVELS = ("debug", "info", "warning", "error", "critical")
# Of each file so much is read, from its end.
TAIL_BYTES = 4 * 1024 * 1024
MOST_LINES = 300
_KNOWN = ("time", "level", "event", "service", "trace_id")


@dataclass(frozen=True)
class Wanted:
    """What is looked for; "" does not matter. `level` is the least one."""

    trace_id: str = ""
    service: str = ""
    level: str = ""
    text: str = ""


@dataclass(frozen=True)
class LogLine:
    """`workload` is what wrote it, `rest` the fields that are not every line's."""

    workload: str
    time: str
    level: str
    service: str
    event: str
    trace_id: str
    rest: Mapping[str, Any]


def find(pods: Path, wanted: Wanted) -> list[LogLine]:
    """The newest lines that fit, of every pod below the folder, newest first."""
    marks = [mark.encode() for mark in (wanted.trace_id, wanted.text) if mark]
    found = [
        line
        for file in sorted(pods.glob("*/*/logs/*.log"))
        for raw in _lines(file)
        if all(mark in raw for mark in marks)
        if (line := _read(raw, file.parent.parent.name)) is not None and _fits(line, wanted)
    ]
    return sorted(found, key=lambda line: line.time, reverse=True)[:MOST_LINES]


def services(pods: Path) -> list[str]:
    """Whose logs there are, without reading any: the workloads of the pods."""
    return sorted({_workload(folder.name) for folder in pods.glob("*/*")})


def _workload(pod: str) -> str:
    """`links-v1` of the pod `links-v1-0a1b2c3d-0`."""
    return pod.rpartition("-")[0].rpartition("-")[0] or pod


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - TAIL_BYTES))
            if size > TAIL_BYTES:
                stream.readline()
            yield from stream
    except OSError:
        return  # its pod was taken away meanwhile


def _read(raw: bytes, pod: str) -> LogLine | None:
    """None for what is no line of a log: a stack trace's middle, an empty one."""
    try:
        fields = msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return None
    if not isinstance(fields, dict) or "time" not in fields:
        return None
    told = {name: str(fields.get(name) or "") for name in _KNOWN}
    rest = {name: value for name, value in fields.items() if name not in _KNOWN and value not in (None, "")}
    # A proxy that made no span tells the header that it saw.
    told["trace_id"] = told["trace_id"] or str(fields.get("traceparent") or "")[3:35]
    told["service"] = told["service"] or _workload(pod)
    told["level"] = told["level"] or "info"
    return LogLine(workload=_workload(pod), rest=rest, **told)


def _fits(line: LogLine, wanted: Wanted) -> bool:
    if wanted.trace_id and line.trace_id != wanted.trace_id:
        return False
    if wanted.service and wanted.service not in (line.service, line.workload):
        return False
    if wanted.level and line.level in LEVELS:
        return LEVELS.index(line.level) >= LEVELS.index(wanted.level)
    return True

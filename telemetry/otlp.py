"""Spans as OTLP's JSON, by msgspec: a sixth of the time that the stock exporter's messages take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from opentelemetry.trace import format_span_id, format_trace_id

from telemetry.recording import Recording

SCOPE = {"name": "delinkcious"}
MAX_ATTRIBUTE_CHARACTERS = 4_096
# Most attributes are the same in span after span.
REMEMBERED_ATTRIBUTES = 1_024

_encode = msgspec.json.Encoder().encode


def encode(spans: Sequence[Recording], resource: Mapping[str, object]) -> bytes:
    """Spans of the process that `resource` describes."""
    scope = {"scope": SCOPE, "spans": [_span(span) for span in spans]}
    described = {"attributes": _attributes(resource)}
    return _encode({"resourceSpans": [{"resource": described, "scopeSpans": [scope]}]})


def _span(span: Recording) -> dict[str, Any]:
    own = span.get_span_context()
    made: dict[str, Any] = {
        "traceId": format_trace_id(own.trace_id),
        "spanId": format_span_id(own.span_id),
        "name": span.name,
        "kind": span.kind.value + 1,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes),
        "status": {"code": span.status_code.value},
    }
    if span.parent is not None:
        made["parentSpanId"] = format_span_id(span.parent.span_id)
    if span.links:
        made["links"] = [
            {
                "traceId": format_trace_id(link.context.trace_id),
                "spanId": format_span_id(link.context.span_id),
            }
            for link in span.links
        ]
    if span.events:
        made["events"] = [
            {
                "name": event.name,
                "timeUnixNano": str(event.timestamp),
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    return made


def _attributes(attributes: Mapping[str, Any]) -> list[msgspec.Raw]:
    return [
        _remembered(key, value) if isinstance(value, str | int | float) else _attribute(key, value)
        for key, value in attributes.items()
    ]


def _attribute(key: str, value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode({"key": key, "value": _value(value)}))


# By type as well: 1, 1.0 and True are equal and not the same.
_remembered = lru_cache(REMEMBERED_ATTRIBUTES, typed=True)(_attribute)


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    # A lone surrogate, as in the name of a file, is no text that could be sent.
    text = str(value)[:MAX_ATTRIBUTE_CHARACTERS].encode(errors="replace").decode()
    return {"stringValue": text}

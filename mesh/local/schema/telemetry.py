"""Telemetry: access logs, metrics and spans."""

from __future__ import annotations

import re
from typing import Any

from mesh.local.model import Json
from mesh.local.schema import cel
from mesh.local.schema.language import ANY_TEXT, BOOL, Enum, ListOf, MapOf, Message, Number, Text, later
from mesh.local.schema.report import At
from mesh.local.schema.selectors import ONE_SELECTOR, TARGET_REF, TARGET_REFS, WORKLOAD_SELECTOR
from mesh.local.schema.text import NOT_EMPTY, header_name, not_empty

PROVIDERS = ListOf(Message({"name": NOT_EMPTY}, required=["name"]), least=0, most=16)
MODE = Enum("CLIENT_AND_SERVER", "CLIENT", "SERVER")
METRICS = (
    "REQUEST_COUNT",
    "REQUEST_DURATION",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "TCP_OPENED_CONNECTIONS",
    "TCP_CLOSED_CONNECTIONS",
    "TCP_SENT_BYTES",
    "TCP_RECEIVED_BYTES",
    "GRPC_REQUEST_MESSAGES",
    "GRPC_RESPONSE_MESSAGES",
)

# Attributes of Envoy's with few values: those with a value per request would make a series of each.
_ATTRIBUTES = frozenset(
    {
        "connection.mtls",
        "connection.requested_server_name",
        "connection.tls_version",
        "destination.port",
        "request.host",
        "request.method",
        "request.protocol",
        "request.scheme",
        "response.code",
        "response.code_details",
        "response.grpc_status",
        "upstream.tls_version",
        "upstream.transport_failure_reason",
        "xds.cluster_name",
        "xds.route_name",
    }
)
_PER_REQUEST = re.compile(
    r"request\.(path|url_path|query|id|time|referer|useragent|size|total_size|duration)\b"
)
_HEADER = re.compile(r"(?:request|response)\.headers\[(['\"])([^'\"\\%]+)\1\]")
_QUOTED = r"""(?:'[^'"\\%]*'|"[^'"\\%]*")"""
_WORD = re.compile(_QUOTED)
# A choice has no more values than it names, whatever a request says.
_COMPARISON = rf"([a-z_.]+(?:\[{_QUOTED}\])?)\s*[=!]=\s*{_QUOTED}"
_CHOICE = re.compile(rf"{_COMPARISON}\s*\?\s*{_QUOTED}\s*:\s*(.+)")
_TAG_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


def not_supported(expression: str) -> str | None:
    """Why a tag's value cannot be this expression, or None: attributes, words, and choices of them only."""
    if expression in _ATTRIBUTES or _WORD.fullmatch(expression):
        return None
    if choice := _CHOICE.fullmatch(expression):
        return not_supported(choice[1]) or not_supported(choice[2])
    header = _HEADER.fullmatch(expression)
    if header and header_name(header[2]) is None:
        return None
    if _PER_REQUEST.match(expression):
        return f"{expression} differs for every request, and each value would make a time series"
    return "only plain attributes of Envoy, words in quotes and A == 'B' ? 'C' : D, no other CEL expressions"


class Expression:
    """The `value` of a tag that is upserted."""

    def check(self, value: Any, at: At) -> None:
        before = len(at.report.findings)
        Text(not_empty).check(value, at)
        if len(at.report.findings) == before and (reason := not_supported(value)) is not None:
            at.unsupported(reason)


def _tag_name(text: str) -> str | None:
    return None if _TAG_NAME.fullmatch(text) else f'"{text}" is no name of a metric\'s label'


def _tag_value(tag: Json, at: At) -> None:
    """REMOVE has no value, UPSERT one."""
    removes = tag.get("operation") == "REMOVE"
    if removes and tag.get("value"):
        (at / "value").error("tag value must not be set when operation is REMOVE")
    elif not removes and not tag.get("value"):
        at.error("tag value must be set when operation is UPSERT")


def _measured(match: Json, at: At) -> None:
    if (match.get("metric") or "").startswith("GRPC_"):
        (at / "metric").warning("upstream Envoy has no metric of single messages: nothing changes")


_TAG_OVERRIDE = Message({"operation": Enum("UPSERT", "REMOVE"), "value": Expression()}, rules=[_tag_value])
_METRIC_MATCH = Message(
    {
        "metric": Enum("ALL_METRICS", *METRICS),
        "customMetric": later(NOT_EMPTY, "there are Istio's own metrics only"),
        "mode": MODE,
    },
    one_of=[("metric", "customMetric")],
    rules=[_measured],
)
_OVERRIDE = Message(
    {"match": _METRIC_MATCH, "disabled": BOOL, "tagOverrides": MapOf(_TAG_OVERRIDE, key=_tag_name)}
)
_METRICS_ENTRY = Message(
    {
        "providers": PROVIDERS,
        "overrides": ListOf(_OVERRIDE),
        "reportingInterval": later(ANY_TEXT, "TCP connections are counted when they end"),
    }
)

_ENVIRONMENT = Message({"name": NOT_EMPTY, "defaultValue": ANY_TEXT}, required=["name"])
_HEADER_TAG = Message({"name": Text(header_name), "defaultValue": ANY_TEXT}, required=["name"])
_VALUE = Message({"value": NOT_EMPTY}, required=["value"])
_TAG_SOURCES = ("literal", "environment", "header", "formatter")


def _has_source(tag: Json, at: At) -> None:
    if not any(source in tag for source in _TAG_SOURCES):
        at.error(f"one of {', '.join(_TAG_SOURCES)} is required")


CUSTOM_TAG = Message(
    {"literal": _VALUE, "environment": _ENVIRONMENT, "header": _HEADER_TAG, "formatter": _VALUE},
    one_of=[_TAG_SOURCES],
    rules=[_has_source],
)


def _one_provider(entry: Json, at: At) -> None:
    if len(entry.get("providers") or []) > 1:
        (at / "providers").warning("multiple providers is not currently supported: the first is used")


_TRACING_ENTRY = Message(
    {
        "match": Message({"mode": MODE}),
        "providers": PROVIDERS,
        "randomSamplingPercentage": Number(0, 100),
        "disableSpanReporting": BOOL,
        "customTags": MapOf(CUSTOM_TAG, key=not_empty),
        "useRequestIdForTraceSampling": BOOL,
        "enableIstioTags": BOOL,
        "disableContextPropagation": BOOL,
    },
    rules=[_one_provider],
)


def _cel(text: str) -> str | None:
    if not text:
        return not_empty(text)
    reason = cel.syntax_error(text)
    return None if reason is None else f"is no CEL expression that Envoy takes: {reason}"


_LOGGING_ENTRY = Message(
    {
        "match": Message({"mode": MODE}),
        "providers": PROVIDERS,
        "disabled": BOOL,
        "filter": Message({"expression": Text(_cel)}),
    }
)

SPEC = Message(
    {
        "selector": WORKLOAD_SELECTOR,
        "targetRef": TARGET_REF,
        "targetRefs": TARGET_REFS,
        "tracing": ListOf(_TRACING_ENTRY),
        "metrics": ListOf(_METRICS_ENTRY),
        "accessLogging": ListOf(_LOGGING_ENTRY),
    },
    one_of=[ONE_SELECTOR],
)

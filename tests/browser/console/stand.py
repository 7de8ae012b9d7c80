"""Answers as the query APIs of Jaeger and Prometheus do, with one trace and some alerts; a pod of the test.

Standard library only: it starts fast.
"""

from __future__ import annotations

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# What a test has asked for.
CHANGED: set[str] = set()
BEGAN_NS = time.time_ns() - 60 * 10**9

# service, span, parent, name, kind (3: client, 2: server), start and end in ms, attributes, failed
SPANS: tuple[tuple[str, str, str, str, int, float, float, dict[str, str], bool], ...] = (
    # As Envoy writes them: an operation that says little, older names of attributes.
    (
        "ingressgateway.istio-system",
        "01",
        "",
        "delinkcious:443/api/v1/links",
        2,
        0,
        61.5,
        {
            "http.method": "POST",
            "http.url": "https://delinkcious/api/v1/links?of=me",
            "http.status_code": "201",
        },
        False,
    ),
    (
        "links",
        "02",
        "01",
        "POST /api/v1/links",
        2,
        2.1,
        60.2,
        {"http.route": "/api/v1/links", "http.response.status_code": "201"},
        False,
    ),
    ("links", "03", "02", "SELECT links", 3, 4, 9.2, {"db.operation.name": "SELECT"}, False),
    ("links", "04", "02", "GET users", 3, 9.4, 33.1, {"server.address": "users"}, False),
    ("users", "05", "04", "GET /internal/v1/users/{id}", 2, 10.2, 32.4, {}, False),
    ("users", "06", "05", "SELECT users", 3, 11, 31.9, {"db.operation.name": "SELECT"}, True),
    ("links", "07", "02", "INSERT links", 3, 33.5, 59.7, {"db.operation.name": "INSERT"}, False),
    ("links", "08", "02", "publish events", 4, 82, 88, {"messaging.system": "nats"}, False),
    ("news", "09", "08", "process events", 5, 96, 131, {"messaging.system": "nats"}, False),
    ("news", "0a", "09", "EVALSHA", 3, 99, 128, {"db.system.name": "redis"}, False),
)


def _span(row: tuple[str, str, str, str, int, float, float, dict[str, str], bool]) -> dict[str, Any]:
    _, span_id, parent, name, kind, start, end, attributes, failed = row
    made: dict[str, Any] = {
        "traceId": TRACE,
        "spanId": span_id * 8,
        "parentSpanId": parent * 8,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(BEGAN_NS + int(start * 1e6)),
        "endTimeUnixNano": str(BEGAN_NS + int(end * 1e6)),
        "attributes": _attributes(attributes),
    }
    if failed:
        made["status"] = {"code": 2, "message": "a row is missing"}
        made["events"] = [
            {
                "name": "exception",
                "timeUnixNano": str(BEGAN_NS + 20 * 10**6),
                "attributes": _attributes({"exception.type": "NotFound"}),
            }
        ]
    if span_id == "09":
        made["links"] = [{"traceId": TRACE, "spanId": "08" * 8}]
    return made


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def _traces() -> dict[str, Any]:
    resources: dict[str, list[dict[str, Any]]] = {}
    for row in SPANS:
        resources.setdefault(row[0], []).append(_span(row))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": service, "service.version": "v1"})},
                "scopeSpans": [{"spans": spans}],
            }
            for service, spans in resources.items()
        ]
    }


def _alert(name: str, state: str, severity: str, **told: str) -> dict[str, Any]:
    """A rule; `told` are its annotations, of which Prometheus demands none."""
    labels = {"alertname": name, "severity": severity, "service": "links"}
    active = {"state": state, "labels": labels, "annotations": told, "activeAt": "2026-01-02T03:04:05.6Z"}
    return {
        "name": name,
        "type": "alerting",
        "state": state,
        "query": "1",
        "duration": 300,
        "labels": {"severity": severity},
        "annotations": told,
        "alerts": [] if state == "inactive" else [{**active, "value": "1e+00"}],
        "health": "ok",
    }


def _rules() -> dict[str, Any]:
    rules = [
        _alert("QuietAlert", "inactive", "ticket", summary="{{ $labels.app }} waits {{ $value | humanize }}"),
        _alert(
            "LinksErrorBudgetBurns",
            "firing",
            "page",
            summary="Links fails 8 % of its requests",
            description="Saving is answered.",
        ),
        _alert("BareAlert", "firing", "ticket"),
        _alert("OutboxLags", "pending", "ticket", summary="Events wait for the broker"),
        *_burning(),
        *_later(),
    ]
    return {"status": "success", "data": {"groups": [{"name": "slo", "file": "x", "rules": rules}]}}


def _burning() -> list[dict[str, Any]]:
    """Quiet rules of two objectives, which share a name as those of real ones do."""
    found = []
    for slo in ("links-availability", "users-availability"):
        rule = _alert("AvailabilityBurn", "inactive", "page", summary=f"{slo}: spent 6 times too fast")
        found.append({**rule, "labels": {"severity": "page", "slo": slo}})
    return found


def _later() -> list[dict[str, Any]]:
    """What fires when a test has asked for it."""
    return [_alert("FiresLater", "firing", "page", summary="Now it fires")] if CHANGED else []


def answer(path: str, query: dict[str, list[str]]) -> dict[str, Any] | None:
    service = query.get("query.service_name", [""])[0]
    if path == "/api/v3/services":
        return {"services": sorted({row[0] for row in SPANS})}
    if path == "/api/v3/operations":
        wanted = query["service"][0]
        return {"operations": [{"name": row[3], "spanKind": ""} for row in SPANS if row[0] == wanted]}
    if path == f"/api/v3/traces/{TRACE}":
        return {"result": _traces()}
    if path == "/api/v3/traces":
        fits = service in {"", *(row[0] for row in SPANS)}
        return {"result": _traces() if fits else {"resourceSpans": []}}
    if path == "/change":
        CHANGED.symmetric_difference_update({"alerts"})
        return {}
    return _rules() if path == "/api/v1/rules" else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        told = answer(parts.path, parse_qs(parts.query))
        body = json.dumps(told or {}).encode()
        self.send_response(404 if told is None and parts.path != "/" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()

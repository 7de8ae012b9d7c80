"""Traces, out of Jaeger: searched, and each as a waterfall with its critical path."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import Response

from mesh.console.errors import Away, NotThere, Wrong
from mesh.console.page import Visit
from mesh.console.settings import JAEGER
from mesh.console.waterfall import waterfall
from telemetry.jaeger import MAX_TRACES, Jaeger, JaegerUnavailable, Search, open_jaeger
from telemetry.spans import Span, Trace

TIMEOUT_S = 5.0
LIMIT = 20
# Of a trace with more spans only so many are shown: a page must stay one.
MOST_SPANS = 2_000
LONGEST_PATH = 80


async def search(visit: Visit) -> Response:
    """The form, and what fits it."""
    wanted = _wanted(visit)
    try:
        async with open_jaeger(await visit.deps.tools.url(JAEGER), TIMEOUT_S) as jaeger:
            services, operations = await _names(jaeger, wanted.service)
            service = wanted.service or (services[0] if services else "")
            found = await _found(jaeger, wanted, services)
    except JaegerUnavailable as error:
        raise Away(str(error)) from error
    except ValueError as error:
        raise Wrong(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    longest = max((trace.end_ns - trace.start_ns for trace in found), default=0)
    return visit.render(
        "traces.html",
        wanted=wanted,
        service=service,
        services=services,
        operations=operations,
        traces=[summary(trace) for trace in found],
        longest=longest,
    )


async def one(visit: Visit) -> Response:
    """One trace."""
    trace_id = visit.request.path_params["trace_id"].lower()
    base = await visit.deps.tools.url(JAEGER)
    try:
        async with open_jaeger(base, TIMEOUT_S) as jaeger:
            trace = await jaeger.trace(trace_id)
    except JaegerUnavailable as error:
        raise Away(str(error)) from error
    except ValueError as error:
        raise Wrong(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    if trace is None or not trace.spans:
        raise NotThere(
            f"Jaeger has no trace {trace_id}: it was not sampled, is older than what is kept, "
            "or its spans are on the way still."
        )
    link = f"{base}/trace/{trace_id}" if visit.tools[JAEGER].page else ""
    return visit.render("trace.html", drawn=waterfall(trace, MOST_SPANS), about=summary(trace), jaeger=link)


def summary(trace: Trace) -> dict[str, object]:
    """What a list tells of a trace."""
    root = min(trace.spans, key=lambda span: (bool(span.parent_id), span.start_ns))
    return {
        "id": trace.trace_id,
        "title": _title(root, trace),
        "service": root.service,
        "status": _said(root, "http.response.status_code", "http.status_code"),
        "took_ns": root.duration_ns,
        "whole_ns": trace.end_ns - trace.start_ns,
        "start_ns": trace.start_ns,
        "spans": len(trace.spans),
        "services": trace.services,
        "failed": sum(span.failed for span in trace.spans),
    }


def _title(root: Span, trace: Trace) -> str:
    """What was asked for, where a span tells: proxies name theirs all alike, and know no routes."""
    method = _said(root, "http.request.method", "http.method")
    address = _said(root, "url.path", "http.target", "url.full", "http.url")
    routed = [span for span in trace.spans if _said(span, "http.route")]
    nearest = min(routed, key=lambda span: span.start_ns, default=root)
    path = _said(nearest, "http.route") or urlsplit(address).path
    if not method or not path:
        return root.name
    return f"{method} {path if len(path) <= LONGEST_PATH else path[:LONGEST_PATH] + '…'}"


def _said(span: Span, *names: str) -> str:
    """The first of these attributes that it has: what they are called has changed over time."""
    return next((str(span.attributes[name]) for name in names if name in span.attributes), "")


async def _names(jaeger: Jaeger, service: str) -> tuple[list[str], list[str]]:
    services = await jaeger.services()
    return services, await jaeger.operations(service) if service in services else []


async def _found(jaeger: Jaeger, wanted: Search, services: list[str]) -> list[Trace]:
    if wanted.service and wanted.service not in services:
        return []
    return await jaeger.search(wanted)


def _wanted(visit: Visit) -> Search:
    """Raises Wrong, naming the field."""
    return Search(
        service=visit.text("service"),
        operation=visit.text("operation"),
        attributes=_attributes(visit.text("tags")),
        failed=visit.text("failed") == "1",
        minimum_s=_seconds(visit.text("min"), "Longer than"),
        maximum_s=_seconds(visit.text("max"), "Shorter than"),
        limit=_limit(visit.text("limit") or str(LIMIT)),
    )


def _attributes(text: str) -> dict[str, str]:
    """`name=value name=value`."""
    found = {}
    for word in text.split():
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise Wrong(f"Tags are written as name=value; {word!r} is none.")
        found[name] = value
    return found


def _seconds(text: str, field: str) -> float | None:
    if not text:
        return None
    number = text.lower().removesuffix("ms").strip()
    try:
        value = float(number) / 1000
    except ValueError:
        raise Wrong(f"{field}: {text!r} is no number of milliseconds.") from None
    if not 0 <= value < 86_400:
        raise Wrong(f"{field}: {text!r} is not between 0 and a day.")
    return value


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_TRACES:
        raise Wrong(f"Limit: {text!r} is no number from 1 to {MAX_TRACES}.")
    return int(text)

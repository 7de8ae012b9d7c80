"""A trace's critical path in words: what the time of a slow request was spent on, the most first."""

from __future__ import annotations

from collections import Counter

from telemetry.critical_path import critical_path, times_ns
from telemetry.spans import Span, Trace

NAMED = 3
# Less than such a share of the whole is not worth words.
WORTH = 0.04
NS_PER_MS = 1e6
# What passed outside of the trace is told when it is more than this share of what the client waited.
OUTSIDE = 0.1


def in_words(trace: Trace, took_ms: float) -> str:
    """As a sentence; `took_ms` is what the client waited, which may be longer than the trace.

    "61 ms of 80 ms waited for INSERT links in links; 12 ms in the proxy of links; 7 ms in 4 other places"
    """
    spent: Counter[str] = Counter()
    for span_id, nanoseconds in times_ns(critical_path(trace)).items():
        span = trace.span(span_id)
        if span is not None:
            spent[_place(span)] += nanoseconds
    whole = spent.total() / NS_PER_MS
    if not whole:
        return "nothing is known of it"
    named = [
        (place, ns / NS_PER_MS) for place, ns in spent.most_common(NAMED) if ns / NS_PER_MS >= WORTH * whole
    ]
    said = [
        f"{_ms(ms)}{f' of {_ms(whole)}' if not number else ''} {place}"
        for number, (place, ms) in enumerate(named)
    ]
    rest, others = whole - sum(ms for _, ms in named), len(spent) - len(named)
    if others and rest >= WORTH * whole:
        said.append(f"{_ms(rest)} in {others} other place{'' if others == 1 else 's'}")
    outside = took_ms - whole
    if outside > OUTSIDE * took_ms:
        said.append(
            f"another {_ms(outside)} before or behind all of it (sender, connection, queue of the gateway)"
        )
    return "; ".join(said)


def _place(span: Span) -> str:
    """Where a span's own time was spent."""
    service = span.service.partition(".")[0]
    if span.attributes.get("component") == "proxy":
        return "in the gateway" if service == "ingressgateway" else f"in the proxy of {service}"
    if span.kind == "client":
        return f"waited for {span.name} in {service}"
    return f"in {service} itself ({span.name})"


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"

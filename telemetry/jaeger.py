"""Reads traces from Jaeger's query API (v3, which speaks OTLP): the same with Jaeger 1.7x and 2.x.

    async with open_jaeger("http://127.0.0.1:16686") as jaeger:
        await jaeger.trace("4bf9...")          # Trace, or None while Jaeger has nothing of it
        await jaeger.search(Search(service="links", operation="POST /api/v1/links", minimum_s=0.1))
        await jaeger.services()                # names, sorted
        await jaeger.operations("links")       # names, sorted
        jaeger.page("4bf9...")                 # the trace in Jaeger's own web page

Every call raises JaegerUnavailable (a sentence) when Jaeger does not answer, in time, with something sound,
within bounds; ValueError is for a question that is none. Nothing here waits or repeats.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from telemetry import spans
from telemetry.spans import Span, Trace

TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_TRACES = 200
# Older Jaegers don't look at attributes: so many times more traces are read then, and the fitting ones kept.
READ_TIMES = 5
LOOKBACK = dt.timedelta(hours=1)

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class JaegerUnavailable(Exception):
    """Why there is no answer, as a sentence."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for; what is left out does not matter.

    `attributes` are of one and the same span, compared as texts (`{"http.response.status_code": "503"}`);
    `failed`: only traces with a failed span. Durations are a span's, in seconds. `end` is now by default,
    `start` an hour before it. `limit` is at most MAX_TRACES.
    """

    service: str = ""
    operation: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False
    minimum_s: float | None = None
    maximum_s: float | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    limit: int = 20


class Jaeger:
    """One Jaeger at `base`, the address of its query API."""

    def __init__(self, client: httpx.AsyncClient, base: str, timeout_s: float = TIMEOUT_S) -> None:
        self._client = client
        self._base = base.rstrip("/")
        self._timeout_s = timeout_s

    def page(self, trace_id: str) -> str:
        """Where a person looks at a trace."""
        return f"{self._base}/trace/{trace_id}"

    async def services(self) -> list[str]:
        """Every service that Jaeger has a span of."""
        answer = await self._ask("/api/v3/services", {})
        return sorted(map(str, (answer or {}).get("services") or ()))

    async def operations(self, service: str) -> list[str]:
        """The names of a service's spans."""
        answer = await self._ask("/api/v3/operations", {"service": service})
        return sorted({str(each.get("name", "")) for each in (answer or {}).get("operations") or ()})

    async def trace(self, trace_id: str) -> Trace | None:
        """What Jaeger has so far of one trace (32 hexadecimal digits)."""
        if not _TRACE_ID.fullmatch(trace_id):
            raise ValueError(f"{trace_id!r} is no trace id: 32 hexadecimal digits")
        answer = await self._ask(f"/api/v3/traces/{trace_id}", {"raw_traces": "true"})
        found = [trace for trace in self._read(answer) if trace.trace_id == trace_id]
        return found[0] if found else None

    async def search(self, wanted: Search) -> list[Trace]:
        """The traces that fit, newest first, `limit` at most."""
        if not 1 <= wanted.limit <= MAX_TRACES:
            raise ValueError(f"limit is {wanted.limit}, not 1 to {MAX_TRACES}")
        found = self._read(await self._ask("/api/v3/traces", _query(wanted)))
        return [trace for trace in found if _fits(trace, wanted)][: wanted.limit]

    def _read(self, answer: dict[str, Any] | None) -> list[Trace]:
        try:
            return spans.read((answer or {}).get("result") or {})
        except ValueError as error:
            raise JaegerUnavailable(f"{self._base} did not answer as Jaeger does ({error})") from error

    async def _ask(self, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        """The JSON of an answer; None when there is no such thing."""
        content = bytearray()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("GET", self._base + path, params=query) as response,
            ):
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise JaegerUnavailable(f"{self._base} answered more than {MAX_ANSWER_BYTES} bytes")
        except (TimeoutError, httpx.TimeoutException) as error:
            raise JaegerUnavailable(f"Jaeger at {self._base} did not answer in time") from error
        except httpx.HTTPError as error:
            raise JaegerUnavailable(f"Jaeger at {self._base} cannot be reached") from error
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if not response.is_success:
            said = content[:200].decode(errors="replace").strip()
            raise JaegerUnavailable(f"Jaeger at {self._base} answered {response.status_code}: {said}")
        try:
            return msgspec.json.decode(bytes(content), type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise JaegerUnavailable(f"{self._base} did not answer as Jaeger does ({error})") from error


@asynccontextmanager
async def open_jaeger(base: str, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Jaeger]:
    """A reader of the Jaeger at `base` (http://host:port). Raises ValueError for an address that is none."""
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{base!r} is not like http://127.0.0.1:16686")
    # It is beside us: a proxy for the world does not know it.
    async with httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client:
        yield Jaeger(client, base, timeout_s)


def _query(wanted: Search) -> dict[str, str]:
    end = wanted.end or dt.datetime.now(dt.UTC)
    start = wanted.start or end - LOOKBACK
    if start >= end:
        raise ValueError("start is not before end")
    selective = bool(wanted.attributes) or wanted.failed
    query = {
        "query.start_time_min": _time(start),
        "query.start_time_max": _time(end),
        "query.num_traces": str(min(wanted.limit * (READ_TIMES if selective else 1), MAX_TRACES)),
        "query.raw_traces": "true",
    }
    said = {
        "query.service_name": wanted.service,
        "query.operation_name": wanted.operation,
        "query.duration_min": _duration(wanted.minimum_s),
        "query.duration_max": _duration(wanted.maximum_s),
        "query.attributes": msgspec.json.encode(wanted.attributes).decode() if wanted.attributes else "",
    }
    return query | {name: value for name, value in said.items() if value}


def _fits(trace: Trace, wanted: Search) -> bool:
    if wanted.failed and not trace.failed:
        return False
    return not wanted.attributes or any(_has(span, wanted.attributes) for span in trace.spans)


def _has(span: Span, attributes: Mapping[str, str]) -> bool:
    everything = {**span.resource, **span.attributes}
    return all(name in everything and _text(everything[name]) == value for name, value in attributes.items())


def _text(value: spans.Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{round(seconds * 1_000_000)}us"

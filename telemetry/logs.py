"""Logs as JSON lines on standard output, each with the trace id of the request it belongs to."""

from __future__ import annotations

import logging
import sys
import time

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor, WrappedLogger

from telemetry.traces import current_span_id, current_trace_id

_encoder = msgspec.json.Encoder(enc_hook=str)


def configure(level: str, **process: str) -> None:
    """Set up structlog and the standard library's logging alike; `process` stands in every line."""
    number = logging.getLevelNamesMapping()[level.upper()]

    def add_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**process, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        add_trace,
        add_process,
    ]
    structlog.configure(
        processors=[*shared, _line],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _text],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.INFO))
    # They say at INFO what every request already says elsewhere.
    for chatty in ("httpx", "uvicorn.error", "uvicorn.access", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Name the request that a line belongs to, and the span; outside of one, neither."""
    trace_id = current_trace_id()
    if trace_id:
        event["trace_id"] = trace_id
        event["span_id"] = current_span_id()
    return event


def _line(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return _encoder.encode(event)


def _text(_: WrappedLogger, __: str, event: EventDict) -> str:
    return _encoder.encode(event).decode()


class RequestLog:
    """ASGI: one line per request when it has ended, with the principal's id nothing else of the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = structlog.get_logger("request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 499

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = time.perf_counter()
        try:
            await self.app(scope, receive, watch)
        finally:
            self._log.info(
                "request",
                method=scope["method"],
                route=getattr(scope.get("route"), "path_format", "(none)"),
                status=status,
                duration_ms=round((time.perf_counter() - begun) * 1_000, 1),
                principal=scope.get("principal_id"),
            )

"""Logs as JSON lines on standard output, each with the trace of the request that it belongs to."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor, WrappedLogger

from telemetry import serving
from telemetry.levels import threshold
from telemetry.output import Output
from telemetry.redaction import clean_field
from telemetry.traces import current_span_id, current_trace_id

# What the set-up itself puts into a line: known to hold no secret.
OWN_FIELDS = frozenset(("time", "level", "service", "version", "pod", "trace_id", "span_id"))

# Of this process: one after `configure`.
outputs: list[Output] = []

_encoder = msgspec.json.Encoder()
_log = structlog.get_logger("process")


def configure(level: str, **process: str) -> None:
    """Set up structlog and the standard library's logging alike; `process` stands in every line.

    Uncaught exceptions become lines, too.
    """

    def add_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**process, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        add_trace,
        add_request,
        add_process,
    ]
    output = Output(sys.stdout.fileno(), told=lambda count: _dropped(count, process))
    outputs[:] = [output]
    structlog.configure(
        processors=[threshold, *shared, _line],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=lambda *_: _Writer(output),
        cache_logger_on_first_use=True,
    )
    handler = _Handler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _text],
        )
    )
    logging.getLogger().handlers = [handler]
    logging.captureWarnings(True)
    threshold.set(level)
    # They say at INFO what every request already says elsewhere.
    for chatty in ("httpx", "uvicorn.error", "uvicorn.access", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.excepthook = _crashed
    threading.excepthook = lambda hook: _log.critical("a thread crashed", exc_info=hook.exc_value)


def add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Name the trace that a line belongs to, and the span; outside of one, neither."""
    trace_id = current_trace_id()
    if trace_id:
        event["trace_id"] = trace_id
        event["span_id"] = current_span_id()
    return event


def add_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say which request a line is about, by template and id: never by path, name or address."""
    scope = serving.current()
    if scope is not None:
        event.setdefault("method", serving.method(scope))
        event.setdefault("route", serving.route(scope))
        if (principal := scope.get("principal_id")) is not None:
            event.setdefault("principal", principal)
    return event


def _line(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return _encoder.encode(
        {
            name: value if name in OWN_FIELDS else clean_field(name, value)
            for name, value in event.items()
            if value is not None
        }
    )


def _text(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return _line(logger, method, event).decode()


def _dropped(count: int, process: dict[str, str]) -> bytes:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"level": "error", "event": "log lines dropped", "lines": count, "time": now, **process}
    return _encoder.encode(line)


def _crashed(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("crashed", exc_info=error)


class _Writer:
    """What structlog calls in the end."""

    def __init__(self, output: Output) -> None:
        self.msg = self.debug = self.info = self.warning = self.error = self.critical = output.write


class _Handler(logging.Handler):
    """The same for loggers of the standard library."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._output.write(self.format(record).encode())
        except Exception as error:
            # A library's format string does not fit its arguments: a fault that must not stop its caller.
            _log.error("log line not made", logger=record.name, error=repr(error))


class RequestLog:
    """ASGI: one line per request when it has ended; of the caller it says the principal's id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = structlog.get_logger("request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = serving.GONE_STATUS

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = serving.status(scope, message)
            await send(message)

        begun = time.perf_counter()
        token = serving.begin(scope)
        try:
            await self.app(scope, receive, watch)
        finally:
            duration_ms = round((time.perf_counter() - begun) * 1_000, 1)
            self._log.info("request", status=status, duration_ms=duration_ms)
            serving.end(token)

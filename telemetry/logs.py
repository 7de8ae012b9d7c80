"""Logs as JSON lines on standard output, each with the trace id of the request it belongs to."""

from __future__ import annotations

import logging
import sys

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from telemetry.traces import current_trace_id

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
        add_trace_id,
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


def add_trace_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    trace_id = current_trace_id()
    if trace_id:
        event["trace_id"] = trace_id
    return event


def _line(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return _encoder.encode(event)


def _text(_: WrappedLogger, __: str, event: EventDict) -> str:
    return _encoder.encode(event).decode()

"""The lines of a process, run as one: logging is global to it."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, logging, structlog
from telemetry import logs
from telemetry.instrumentation.http import Tracing

logs.configure("info", service="sample")
log = structlog.get_logger("x")

async def app(scope, receive, send):
    log.info("inside", secret=object)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed")

parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
scope = {"type": "http", "path": "/", "headers": [(b"traceparent", parent)]}
log.debug("never")
asyncio.run(Tracing(app, recorder=None, ratio=0)(scope, None, None))
logging.getLogger("library").warning("by %s", "another")
logging.getLogger("httpx").info("chatter")
"""


def test_every_line_is_json_with_its_trace_id_whoever_wrote_it(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    inside, failed, library = map(json.loads, done.stdout.splitlines())
    assert (inside["event"], inside["level"], inside["service"]) == ("inside", "info", "sample")
    assert inside["trace_id"] == failed["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert inside["time"].endswith("Z")
    assert "ZeroDivisionError" in failed["exception"]
    assert (library["event"], library["logger"]) == ("by another", "library")
    assert "trace_id" not in library
    assert done.stderr == ""

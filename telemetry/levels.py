"""The least severe level that is logged: set at the start, changed while the process runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import structlog
from structlog.typing import EventDict, WrappedLogger

NAMES = ("debug", "info", "warning", "error")
# A ConfigMap takes up to a minute to reach a pod's files.
LOOK_EVERY_S = 2.0

_numbers = {name: getattr(logging, name.upper()) for name in NAMES} | {"critical": logging.CRITICAL}
_log = structlog.get_logger(__name__)


class Threshold:
    """The level of this process, for structlog and the standard library's loggers alike."""

    def __init__(self) -> None:
        self.name = "info"
        self.number = logging.INFO

    def set(self, name: str) -> None:
        """Log `name` (one of NAMES) and worse. Raises ValueError."""
        if name not in NAMES:
            raise ValueError(f"{name!r} is no level: {', '.join(NAMES)}")
        self.name, self.number = name, _numbers[name]
        # Libraries say at DEBUG what only their authors want to know.
        logging.getLogger().setLevel(max(self.number, logging.INFO))

    def __call__(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """As structlog's first processor: drop what is below."""
        if _numbers.get(method, logging.CRITICAL) < self.number:
            raise structlog.DropEvent
        return event


threshold = Threshold()


def change(name: str, why: str) -> None:
    """Set the level and say so, whatever it is. Raises ValueError."""
    before = threshold.name
    threshold.set(name)
    _log.critical("log level changed", before=before, after=name, why=why)


def louder() -> None:
    """One level more; on SIGUSR1."""
    change(NAMES[max(0, NAMES.index(threshold.name) - 1)], "SIGUSR1")


def quieter() -> None:
    """One level less; on SIGUSR2."""
    change(NAMES[min(len(NAMES) - 1, NAMES.index(threshold.name) + 1)], "SIGUSR2")


async def follow_file(path: Path, changed: Callable[[str, str], None] = change) -> None:
    """Obey a file with a level in it, as a mounted ConfigMap is one, whenever its text changes."""
    known = await asyncio.to_thread(_text, path)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        found = await asyncio.to_thread(_text, path)
        if found and found != known:
            known = found
            try:
                changed(found, str(path))
            except ValueError as error:
                _log.error("log level not changed", file=str(path), error=str(error))


def _text(path: Path) -> str:
    """The file's text; empty while it is not there."""
    try:
        return path.read_text().strip().lower()
    except (OSError, UnicodeDecodeError):
        return ""

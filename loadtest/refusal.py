"""Why a sender does not begin: a line on standard error that whoever started it can find among all others."""

from __future__ import annotations

import sys

CANNOT_BEGIN = 2  # the exit code
_MARK = "the load does not begin: "


def say(sentence: str) -> None:
    """Write it."""
    sys.stderr.write(f"{_MARK}{' '.join(sentence.split())}\n")


def found(text: str) -> str:
    """What was said last in such a text; "" for nothing."""
    said = [line.removeprefix(_MARK) for line in text.splitlines() if line.startswith(_MARK)]
    return said[-1] if said else ""

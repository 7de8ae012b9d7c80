"""Why Envoy refused a configuration, out of its log."""

from __future__ import annotations

import re
from pathlib import Path

from mesh.local.runtime.process import last_lines

LINES, BYTES = 10_000, 2**20  # it may show the refused resource before it says why
LONGEST = 300  # characters that a person reads
_REFUSED = " rejected: "
_LOGGED = re.compile(r"^\[\d{4}-")  # how a line of the log begins, unlike those of a resource
_CONSTRAINT = re.compile(r"^: Proto constraint validation failed \((?P<path>.*)\)", re.MULTILINE)


def reason(log: Path) -> str:
    """The last refusal in the log, in one sentence."""
    lines = last_lines(log, LINES, BYTES)
    for number in range(len(lines) - 1, -1, -1):
        if _REFUSED in lines[number]:
            return sentence(lines[number:])
    return "see the sidecar's log"


def sentence(lines: list[str]) -> str:
    """The reason in the lines of a log that begin with a refusal."""
    said = [lines[0].partition(_REFUSED)[2].strip()]
    for line in lines[1:]:
        if _LOGGED.match(line):
            break
        said.append(line)
    if found := _CONSTRAINT.search("\n".join(said)):
        return _short(found["path"].rpartition(" | caused by ")[2])
    return _short(said[0])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."

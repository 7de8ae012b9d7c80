"""Where the process of a pod listens that cannot be told: an annotation says it, the sidecar forwards (pure).

`delinkcious.io/listens: "8080=5000, 9090=127.0.0.1:9000"`: what comes for the container port 8080 goes to
port 5000 of the application's address, and 9090 to port 9000 of 127.0.0.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

LISTENS = "delinkcious.io/listens"
_ENTRY = re.compile(r"(\d{1,5})=(?:(127(?:\.\d{1,3}){3}|localhost):)?(\d{1,5})", re.ASCII)


def listens(annotations: Mapping[str, str], host: str) -> dict[int, tuple[str, int]]:
    """Container port -> address of the process; `host` is where others listen. What is wrong says nothing."""
    found = {}
    for _, entry in _entries(annotations):
        if entry is not None:
            address = "127.0.0.1" if entry[2] == "localhost" else entry[2]
            found[int(entry[1])] = (address or host, int(entry[3]))
    return found


def refusal(annotations: Mapping[str, str]) -> str | None:
    """Why the annotation cannot be followed; None when it can."""
    for part, entry in _entries(annotations):
        if entry is None:
            return f'"{part}" is not PORT=PORT or PORT=127.x.y.z:PORT, as in 8080=127.0.0.1:5000'
    return None


def _entries(annotations: Mapping[str, str]) -> Iterator[tuple[str, re.Match[str] | None]]:
    for part in str(annotations.get(LISTENS, "")).replace(",", " ").split():
        entry = _ENTRY.fullmatch(part)
        right = entry is not None and all(0 < int(port) < 65536 for port in (entry[1], entry[3]))
        yield part, entry if right else None

"""Lines of a proxy's access log in Istio's default format."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

WRITTEN_WITHIN_S = 20.0
_BUFFERED = "filesystem.write_total_buffered"
_WORD = re.compile(r'\[[^\]]*\]|"(?:[^"\\]|\\.)*"|\S+')
# Places of the words of a line; the request's first line is one word.
PLACES = {"flags": 3, "details": 4, "cluster": -6, "route": -1}


def entry(file: Path, agent: str) -> Mapping[str, str]:
    """The fields of the line of the request with that user agent, once it is written."""
    deadline = time.monotonic() + WRITTEN_WITHIN_S
    mark = f'"{agent}"'
    while True:
        for line in reversed(file.read_text(errors="replace").splitlines()):
            if mark in line:
                return fields(line)
        if time.monotonic() > deadline:
            return {}
        time.sleep(0.02)


def has(file: Path, admin: tuple[str, int], agent: str) -> bool:
    """Whether there is such a line, once the proxy has written all that it has logged so far."""
    deadline = time.monotonic() + WRITTEN_WITHIN_S
    while _unwritten(admin):
        assert time.monotonic() < deadline, "the proxy does not write its log"
        time.sleep(0.02)
    return f'"{agent}"' in file.read_text(errors="replace")


def _unwritten(admin: tuple[str, int]) -> int:
    """Bytes of its logs that the proxy still holds."""
    connection = http.client.HTTPConnection(*admin, timeout=WRITTEN_WITHIN_S)
    try:
        connection.request("GET", f"/stats?format=json&filter=^{_BUFFERED}$")
        found = json.loads(connection.getresponse().read())["stats"]
    finally:
        connection.close()
    return sum(int(stat["value"]) for stat in found if stat.get("name") == _BUFFERED)


def fields(line: str) -> Mapping[str, str]:
    words = _WORD.findall(line)
    found = {name: words[place].strip('"') for name, place in PLACES.items()}
    return {**found, "flags": ",".join(sorted(found["flags"].split(",")))}  # Envoy's order is by chance

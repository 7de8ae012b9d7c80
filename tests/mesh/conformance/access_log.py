"""Lines of a proxy's access log in Istio's default format."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

WRITTEN_WITHIN_S = 20.0
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


def fields(line: str) -> Mapping[str, str]:
    words = _WORD.findall(line)
    return {name: words[place].strip('"') for name, place in PLACES.items()}

"""Files as a person in the current folder would name them."""

from __future__ import annotations

import os
import re

# A file that begins a finding, or that something was applied from.
_PLACED = re.compile(
    r"^/[^:\n]+(?=(?::\d+)?: (?:error|warning): )|(?<= from )/[^:\n]+(?=:\d+\))",
    re.MULTILINE,
)


def nearer(text: str) -> str:
    """A text with its files as a person in the current folder would name them."""
    return _PLACED.sub(lambda match: near(match[0]), text)


def near(path: str) -> str:
    """A file's path from the current folder, where that is shorter."""
    return min(os.path.relpath(path), path, key=len) if path.startswith("/") else path

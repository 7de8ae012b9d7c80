"""Durations as Istio writes them: Go's text form, whole milliseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mesh.local.schema.language import described
from mesh.local.schema.report import At

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # the micro sign
    "\u03bcs": 1_000,  # the Greek letter mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(rf"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)({'|'.join(sorted(_UNITS_NS, key=len, reverse=True))})")
_MAX_LENGTH = 40
_MAX_NS = 2**63 - 1  # Go's longest, 292 years


def nanoseconds(text: str) -> int | None:
    """The length of `1h30m`, `0.5s`, `250ms` or `0`; None when it is no duration to Go."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return 0
    if not digits or len(digits) > _MAX_LENGTH:
        return None
    total, position = 0, 0
    while position < len(digits):
        part = _PART.match(digits, position)
        if part is None:
            return None
        total += int(Fraction(part[1].rstrip(".") or "0") * _UNITS_NS[part[2]])
        position = part.end()
    return sign * total if total <= _MAX_NS else None


def milliseconds(text: str) -> int:
    """The length of a duration that a schema has accepted, in milliseconds."""
    length = nanoseconds(text)
    if length is None:
        raise ValueError(f"no duration: {text!r}")
    return length // 1_000_000


@dataclass(frozen=True)
class Duration:
    """A duration of at least one millisecond, or of any length (`zero`) down to 0; at most `most_s`."""

    zero: bool = False
    most_s: int = 0  # no bound

    def check(self, value: Any, at: At) -> None:
        if type(value) is not str:
            at.misshapen(f'must be a duration such as "5s", not {described(value)}')
            return
        length = nanoseconds(value)
        if length is None:
            at.misshapen(f'invalid duration {described(value)}: write it as "5s", "250ms" or "1m30s"')
        elif length < 0 or (length < 1_000_000 and not (self.zero and length == 0)):
            at.error("duration must be greater than 1ms")
        elif length % 1_000_000:
            at.error("only durations to ms precision are supported")
        elif self.most_s and length > self.most_s * 1_000_000_000:
            at.error(f"{value} is longer than Envoy takes: {self.most_s} seconds")


DURATION = Duration()
UINT32_DURATION = Duration(most_s=2**32 - 1)  # where Envoy has whole seconds
ZERO_OR_DURATION = Duration(zero=True)

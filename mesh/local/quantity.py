"""Kubernetes' quantities, such as `250m` of a processor and `64Mi` of memory (pure)."""

from __future__ import annotations

import math
import re

_WRITTEN = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|([EPTGMK]i|[numkMGTPE]))?", re.ASCII)
_FACTORS = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    **{letter: 1000.0 ** (1 + index) for index, letter in enumerate("kMGTPE")},
    **{f"{letter}i": 1024.0 ** (1 + index) for index, letter in enumerate("KMGTPE")},
}


def quantity(value: object) -> float:
    """The number that a quantity says. Raises ValueError."""
    text = str(value)
    found = _WRITTEN.fullmatch(text)
    if found is None or isinstance(value, bool):
        raise ValueError(f'"{text}" is no quantity, such as 250m, 1.5 or 64Mi')
    number = float(found[1] + (found[2] or "")) * _FACTORS[found[3] or ""]
    if math.isinf(number):
        raise ValueError(f'"{text}" is more than any machine has')
    return number


def divided(value: object, divisor: object) -> int:
    """A quantity in units of another, rounded up, as the downward API tells it. Raises ValueError."""
    unit = quantity(divisor) or 1.0
    return math.ceil(round(quantity(value) / unit, 9))

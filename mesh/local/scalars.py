"""What a plain YAML scalar means to Kubernetes: Go's rules for YAML 1.1, not PyYAML's."""

from __future__ import annotations

import math
import re
from typing import Any

MAX_NUMBER_LENGTH = 400  # a longer one is text, so that reading it stays cheap

_ABSENT: Any = object()
_WORDS: dict[str, Any] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
}
_NUMBER_START = frozenset("+-.0123456789")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_INTEGERS = (
    (re.compile(r"[-+]?0[xX][0-9a-fA-F]+", re.ASCII), 16),
    (re.compile(r"[-+]?0[bB][01]+", re.ASCII), 2),
    (re.compile(r"[-+]?0[oO]?[0-7]+", re.ASCII), 8),
    (re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII), 10),
)


def resolve(text: str) -> Any:
    """What a plain scalar means: None, a bool, an int, a float or the text itself."""
    word = _WORDS.get(text, _ABSENT)
    if word is not _ABSENT:
        return word
    if text[0] not in _NUMBER_START or len(text) > MAX_NUMBER_LENGTH:
        return text
    digits = text.replace("_", "") if text[0] != "." else text
    for pattern, base in _INTEGERS:
        if pattern.fullmatch(digits):
            return int(_octal_digits(digits) if base == 8 else digits, base)
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return text


def _octal_digits(digits: str) -> str:
    return digits.replace("o", "").replace("O", "")

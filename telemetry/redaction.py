"""What no log may say: values of fields that hold secrets, and secrets by their shape in any text.

A typed secret prints as `***` by itself; this is for what comes as plain text: headers, addresses, the
messages of other people's exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

HIDDEN = "***"
# A longer text says no more to anybody, and costs every reader of the log.
MAX_TEXT = 16 * 1024
MAX_DEPTH = 6

_SECRET_NAME = re.compile(
    r"(?i)(?:^|[_.-])(?:authorization|cookies?|passw(?:or)?d|secrets?|tokens?|credentials?|api[_-]?key|dsn)$"
)
_SHAPES = (
    # JSON Web Tokens, and the tokens that this installation's accounts make (API and refresh).
    (re.compile(r"(?<![\w-])eyJ[\w-]{4,}+\.[\w.-]+"), HIDDEN),
    (re.compile(r"(?<![A-Za-z0-9])dl[kr]_[\w-]{8,}"), HIDDEN),
    (
        re.compile(r"(?i)\b(bearer|basic|negotiate) +(?=[^\s\"',)]*[0-9A-Z=._-])[^\s\"',)]{6,}"),
        rf"\1 {HIDDEN}",
    ),
    # A header in a list of headers or as a line; cookies go on to the end of it.
    (re.compile(r"(?i)\b((?:set-)?cookie['\"]? *[:=,] *b?['\"]?)[^\r\n'\"]+"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|token|api[_-]?key|authorization)"
            r"(?:%3D|['\"]? *[:=] *b?['\"]?|['\"], *b?['\"]))(?!\*\*\*)[^\s'\"&,;)}]+"
        ),
        rf"\1{HIDDEN}",
    ),
    # SQL that makes a role.
    (re.compile(r"(?i)(\bpassword +)'[^']*'"), rf"\1'{HIDDEN}'"),
    # postgresql://user:password@host
    (re.compile(r"(://[^/\s:@'\"]*:)[^/\s@'\"]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63}+)+"), HIDDEN),
    # The database names the value that it could not take.
    (re.compile(r"(invalid input for query argument \$\d+: )[^\r\n]+"), rf"\1{HIDDEN}"),
)
# One look tells that a text has none of them, as nearly every one.
_SUSPICIOUS = re.compile(
    r"(?i)eyJ|dl[kr]_|bearer|basic|negotiate|cookie|passw|secret|token|api[_-]?key|authorization|@"
    r"|query argument"
)


@lru_cache(maxsize=2_048)
def is_secret_name(name: str) -> bool:
    """Whether a field or header called so holds a secret."""
    return _SECRET_NAME.search(name) is not None


def clean(text: str) -> str:
    """The text without anything that has the shape of a secret, cut where it is too long."""
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}... ({len(text)} characters)"
    if _SUSPICIOUS.search(text) is None:
        return text
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def clean_value(value: Any, depth: int = 0) -> Any:
    """The same of any value, made of what JSON has; objects by what they print as."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bytes):
        return clean(value.decode(errors="replace"))
    if depth > MAX_DEPTH:
        return "..."
    if isinstance(value, msgspec.Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {clean(str(key)): clean_field(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and len(value) == 2 and _names_secret(value[0]):
        return [clean_value(value[0]), HIDDEN]
    if isinstance(value, list | tuple | set | frozenset):
        return [clean_value(item, depth + 1) for item in value]
    return clean(str(value))


def _names_secret(name: object) -> bool:
    """Whether this is the name of a header, as of those that come in pairs."""
    if isinstance(name, bytes):
        name = name.decode(errors="replace")
    return isinstance(name, str) and is_secret_name(name)


def clean_field(name: str, value: Any, depth: int = 0) -> Any:
    """The value of a field or header: hidden when that is for secrets; a number or a flag is none."""
    if is_secret_name(name) and value is not None and not isinstance(value, bool | int | float):
        return HIDDEN
    return clean_value(value, depth)

"""The words that the schemas are written in: one type for every shape a field can have.

A kind's schema is a table from field names to these types. `later(...)` around a type marks a field
that Istio or Kubernetes knows and the local mesh does not implement: it is checked, then refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from mesh.local.model import Json
from mesh.local.resources import field_name
from mesh.local.schema.report import At

Rule = Callable[[Json, At], None]
"""Judges an object whose shape is right."""


class Type(Protocol):
    """What the value of a field must be; `check` reports where it is not."""

    def check(self, value: Any, at: At) -> None: ...


@dataclass(frozen=True)
class Text:
    """A string; `rule` gives the reason why one is refused, or None."""

    rule: Callable[[str], str | None] | None = None

    def check(self, value: Any, at: At) -> None:
        if type(value) is not str:
            at.misshapen(f"must be text, not {described(value)}{_quoting_hint(value)}")
        elif self.rule is not None and (reason := self.rule(value)) is not None:
            at.error(reason)


@dataclass(frozen=True)
class Bool:
    def check(self, value: Any, at: At) -> None:
        if type(value) is not bool:
            at.misshapen(f"must be true or false, not {described(value)}")


@dataclass(frozen=True)
class Int:
    """A whole number in a closed range; `reason` replaces the stock words about the range."""

    low: int
    high: int
    reason: str = ""

    def check(self, value: Any, at: At) -> None:
        if type(value) is not int:
            at.misshapen(f"must be a whole number, not {described(value)}")
        elif not self.low <= value <= self.high:
            at.error(self.reason.format(value) or f"{value} is not in the range {self.low}..{self.high}")


@dataclass(frozen=True)
class Number:
    """A number, whole or not, in a closed range."""

    low: float
    high: float

    def check(self, value: Any, at: At) -> None:
        if type(value) not in (int, float):
            at.misshapen(f"must be a number, not {described(value)}")
        elif not self.low <= value <= self.high:
            at.error(f"{value} is not in the range {self.low:g}..{self.high:g}")


class Enum:
    """One of some words; those in `later` are valid and not implemented."""

    def __init__(self, *values: str, later: Sequence[str] = ()) -> None:
        self.values = values
        self.later = later

    def check(self, value: Any, at: At) -> None:
        if type(value) is not str:
            at.misshapen(f"must be text, not {described(value)}{_quoting_hint(value)}")
        elif value in self.later:
            at.unsupported(value)
        elif value not in self.values:
            known = [*self.values, *self.later]
            at.error(f'"{value}" is not one of {", ".join(known)}{_suggested(_closest(value, known))}')


@dataclass(frozen=True)
class ListOf:
    item: Type
    least: int = 0
    most: int = 4096

    def check(self, value: Any, at: At) -> None:
        if type(value) is not list:
            at.misshapen(f"must be a list, not {described(value)}")
            return
        for index, item in enumerate(value):
            self.item.check(item, at / index)
        if len(value) < self.least:
            at.error(f"must have at least {self.least} item{'s' if self.least > 1 else ''}")
        elif len(value) > self.most:
            at.error(f"must have at most {self.most} items")


@dataclass(frozen=True)
class MapOf:
    """An object with free keys, judged by `key`."""

    value: Type
    key: Callable[[str], str | None] | None = None

    def check(self, value: Any, at: At) -> None:
        if type(value) is not dict:
            at.misshapen(f"must be an object, not {described(value)}")
            return
        for key, item in value.items():
            self.value.check(item, at / key)
            if self.key is not None and (reason := self.key(key)) is not None:
                (at / key).error(reason)
        for path in at.resource.source.nulls:
            if path[:-1] == at.path:
                (at / path[-1]).misshapen("must not be null")


class Message:
    """An object with known fields, the required ones among them, and rules over several fields."""

    def __init__(
        self,
        fields: Mapping[str, Type],
        *,
        required: Sequence[str] = (),
        one_of: Sequence[Sequence[str]] = (),
        rules: Sequence[Rule] = (),
    ) -> None:
        self.fields = fields
        self.required = required
        self.one_of = one_of
        self.rules = rules

    def check(self, value: Any, at: At) -> None:
        if type(value) is not dict:
            at.misshapen(f"must be an object, not {described(value)}")
            return
        misshapen = at.report.misshapen
        meant = set()
        for name, item in value.items():
            field = self.fields.get(name)
            if field is None:
                meant.add(self._unknown(name, at))
            else:
                field.check(item, at / name)
        for name in self.required:
            if name not in value and name not in meant:
                (at / name).misshapen("is required")
        for group in self.one_of:
            written = [name for name in group if name in value]
            if len(written) > 1:
                at.error(f"only one of {', '.join(group)} can be set, found {', '.join(written)}")
        if at.report.misshapen == misshapen:
            for rule in self.rules:
                rule(value, at)

    def _unknown(self, name: str, at: At) -> str | None:
        """Refuse a field; returns the one that was probably meant, whose absence is no second mistake."""
        place, meant = at / name, _closest(name, list(self.fields))
        message = f'unknown field "{field_name(place.path)}"{_suggested(meant)}'
        if meant is None:
            place.error(message)
        else:
            place.misshapen(message)  # no rule may judge the object without it
        return meant


@dataclass(frozen=True)
class Later:
    """A field that is known and not implemented: its value is checked, then refused."""

    checked: Type
    why: str = ""

    def check(self, value: Any, at: At) -> None:
        before = len(at.report.findings)
        self.checked.check(value, at)
        if len(at.report.findings) == before:
            at.unsupported(self.why)


class Unread:
    """A field without meaning on a laptop, of any shape, accepted as it is."""

    def check(self, value: Any, at: At) -> None:
        return


ANY_TEXT = Text()
BOOL = Bool()
INT32 = Int(-(2**31), 2**31 - 1)
UINT32 = Int(0, 2**32 - 1)
UNREAD = Unread()


def later(type_: Type = UNREAD, why: str = "") -> Later:
    """A field that is known and not implemented."""
    return Later(type_, why)


def described(value: Any) -> str:
    """A value as a message shows it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _quoting_hint(value: Any) -> str:
    """YAML 1.1 reads more words as booleans than people think."""
    if isinstance(value, bool):
        return " (YAML 1.1 reads y, n, yes, no, on and off without quotes as booleans)"
    return ""


def _suggested(word: str | None) -> str:
    return "" if word is None else f'; did you mean "{word}"?'


def _closest(name: str, known: Sequence[str]) -> str | None:
    by_case = {word.lower(): word for word in known}
    plain = name.replace("_", "").replace("-", "").lower()
    if plain in by_case:
        return by_case[plain]
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None

"""The fields in which two values differ (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

import msgspec

from mesh.local.resources import field_name

Path = tuple[str | int, ...]
Verb = Literal["added", "removed", "changed"]


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field: `before` or `after` is absent where it was not or will not be there."""

    verb: Verb
    field: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        if self.verb == "changed":
            return f"{self.field}: {shown(self.before)} -> {shown(self.after)}"
        return f"{self.field}: {shown(self.after if self.verb == 'added' else self.before)}"


def shown(value: Any) -> str:
    """A value on one line, not too long."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


MAX_SHOWN = 120


def changes(before: Any, after: Any, path: Path = (), *, named: bool = True) -> Iterator[Change]:
    """Field by field; entries of a list are told apart by their names, else by what stands in them.

    With `named` the names stand in the paths too, in the place of numbers.
    """
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _entry(before, after, key, (*path, key), named)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _entries(before, after, path, named)
    else:
        yield Change("changed", field_name(path), before, after)


def _entry(
    before: dict[str, Any], after: dict[str, Any], key: str, path: Path, named: bool
) -> Iterator[Change]:
    if key not in before:
        yield Change("added", field_name(path), after=after[key])
    elif key not in after:
        yield Change("removed", field_name(path), before=before[key])
    else:
        yield from changes(before[key], after[key], path, named=named)


def _entries(before: list[Any], after: list[Any], path: Path, named: bool) -> Iterator[Change]:
    if (old := _named(before)) is not None and (new := _named(after)) is not None:
        for name in dict.fromkeys([*old, *new]):
            step = name if named else list(new if name in new else old).index(name)
            yield from _entry(old, new, name, (*path, step), named)
        if list(old) != list(new) and old.keys() == new.keys():
            yield Change("changed", f"{field_name(path)} (order)", list(old), list(new))
        return
    aligned = SequenceMatcher(None, [_key(one) for one in before], [_key(one) for one in after], False)
    for tag, start, end, first, last in aligned.get_opcodes():
        if tag == "equal":
            continue
        pairs = min(end - start, last - first)
        for offset in range(pairs):
            place = (*path, first + offset)
            yield from changes(before[start + offset], after[first + offset], place, named=named)
        for number in range(start + pairs, end):
            yield Change("removed", field_name((*path, number)), before=before[number])
        for number in range(first + pairs, last):
            yield Change("added", field_name((*path, number)), after=after[number])


def _named(entries: Sequence[Any]) -> dict[str, Any] | None:
    """The entries by name, where each has one of its own."""
    if not all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries):
        return None
    found = {entry["name"]: entry for entry in entries}
    return found if len(found) == len(entries) else None


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)

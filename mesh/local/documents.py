"""YAML and JSON text as Kubernetes reads it: values with the line of every field.

Kubernetes reads YAML 1.1 by Go's rules, which differ from PyYAML's (`n` is a boolean, `0o17` and `017`
are fifteen, `1:30` is text), so `scalars` resolves them; libyaml only cuts the text into events.
Nothing recurses and everything is bounded, so that hostile text costs little and is named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from mesh.local.scalars import resolve

MAX_DEPTH = 100  # nested lists and objects; a Pod template needs 12
MAX_VALUES = 500_000  # of one file, aliases counted as what they stand for; 1,000 services need 200,000
MAX_MESSAGE = 300  # characters; a hostile text would be quoted whole
MAX_PROBLEMS = 50  # told of one document; more help nobody

Path = tuple[str | int, ...]

_ABSENT: Any = object()
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class Malformed(Exception):
    """The text is not YAML, or exceeds a bound, at `line`."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class Document:
    """One document: its value, the line of every path in it, and what is wrong with single values.

    A key whose value is null is left out, as Kubernetes treats it, and noted in `nulls`.
    """

    value: Any = None
    line: int = 1
    lines: dict[Path, int] = field(default_factory=dict)
    nulls: list[Path] = field(default_factory=list)
    problems: list[tuple[Path, int, str]] = field(default_factory=list)


def documents(text: str) -> Iterator[Document]:
    """Every document of the text, in order.

    Raises:
        Malformed: the text is not YAML, or too deep or too large; documents before it were given.
    """
    if text.lstrip().startswith(("{", "[")):
        text = _SURROGATES.sub(_join_surrogates, text)
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if (document := builder.take(event)) is not None:
                yield document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line + 1, text.count("\n") + 1) if mark else 1
        raise Malformed(line, _reason(error)) from error
    except yaml.reader.ReaderError as error:
        raise Malformed(1, f"not readable as YAML: {error.reason}") from error
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise Malformed(line, "holds half a surrogate pair, which is no character") from error


def _reason(error: yaml.MarkedYAMLError) -> str:
    return f"not readable as YAML: {', '.join(part for part in (error.context, error.problem) if part)}"


def _join_surrogates(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


class _Frame:
    """A list or object that is being read; `key` is where the next value goes."""

    __slots__ = ("anchor", "height", "key", "merges", "merging", "path", "size", "value")

    def __init__(self, value: Any, path: Path, anchor: str | None) -> None:
        self.value = value
        self.path = path
        self.anchor = anchor
        self.key: Any = _ABSENT
        self.size = 1
        self.height = 1
        self.merging = False
        self.merges: list[Any] = []


class _Anchored(NamedTuple):
    """A value with a name; `size` counts the values in it and `height` its levels."""

    value: Any
    size: int
    height: int


class _Builder:
    """Turns libyaml's events into documents, one document at a time."""

    def __init__(self) -> None:
        self._values = 0
        self._start()

    def _start(self) -> None:
        self._document = Document()
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}

    def take(self, event: Any) -> Document | None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent:
            self._open({}, event)
        elif kind is yaml.SequenceStartEvent:
            self._open([], event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close(event.start_mark.line + 1)
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._start()
        elif kind is yaml.DocumentEndEvent:
            return self._document
        return None

    def _path(self) -> Path:
        if not self._stack:
            return ()
        frame = self._stack[-1]
        if type(frame.value) is list:
            return (*frame.path, len(frame.value))
        return frame.path if frame.key is _ABSENT else (*frame.path, frame.key)

    def _problem(self, line: int, message: str) -> None:
        if len(self._document.problems) < MAX_PROBLEMS:
            self._document.problems.append((self._path(), line, message[:MAX_MESSAGE]))

    def _scalar(self, event: Any) -> None:
        line: int = event.start_mark.line + 1
        value: Any = event.value
        if event.tag is not None:
            self._problem(line, f"the tag {event.tag} is not read; write the plain value")
        elif event.implicit[0]:
            value = resolve(value)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and type(frame.value) is dict and frame.key is _ABSENT:
            self._key(frame, value, event, line)
            return
        if type(value) is not str:
            value = self._bounded(value, line)
        elif "\0" in value:
            self._problem(line, "holds a NUL character")
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, 0)
        self._count(1, line)
        self._put(value, line, 1, 0)

    def _bounded(self, value: Any, line: int) -> Any:
        """Numbers that JSON cannot carry are problems; the value read on is 0."""
        if type(value) is float and not math.isfinite(value):
            self._problem(line, "is not a finite number")
            return 0
        if type(value) is int and not -(2**63) <= value < 2**63:
            self._problem(line, "is a number beyond 64 bits")
            return 0
        return value

    def _key(self, frame: _Frame, value: Any, event: Any, line: int) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, 0)
        if type(value) is bool:
            value = "true" if value else "false"
        elif type(value) is int:
            value = str(value) if abs(value) < 2**64 else event.value
        elif type(value) is not str:
            self._problem(line, f"the key {event.value!r} is no text; quote it")
            value = event.value
        frame.key = value
        frame.merging = value == "<<" and event.implicit[0]
        path = (*frame.path, value)
        if path in self._document.lines and not frame.merging:
            first = self._document.lines[path]
            self._problem(line, f'duplicate key "{value}", first written in line {first}')
        else:
            self._document.lines[path] = line

    def _open(self, value: Any, event: Any) -> None:
        line = event.start_mark.line + 1
        if len(self._stack) >= MAX_DEPTH:
            raise Malformed(line, f"nested deeper than {MAX_DEPTH} levels")
        if self._stack and type(self._stack[-1].value) is dict and self._stack[-1].key is _ABSENT:
            raise Malformed(line, "a list or an object cannot be a key")
        if event.tag is not None:
            self._problem(line, f"the tag {event.tag} is not read; write the plain value")
        path = self._path()
        self._document.lines.setdefault(path, line)
        if not self._stack:
            self._document.line = line
        self._count(1, line)
        self._stack.append(_Frame(value, path, event.anchor))

    def _close(self, line: int) -> None:
        frame = self._stack.pop()
        for merged in frame.merges:
            for key, value in merged.items():
                frame.value.setdefault(key, value)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchored(frame.value, frame.size, frame.height)
        self._put(frame.value, line, frame.size, frame.height)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise Malformed(line, f"the alias *{event.anchor} stands for nothing written before it")
        frame = self._stack[-1] if self._stack else None
        if frame is not None and type(frame.value) is dict and frame.key is _ABSENT:
            if type(anchored.value) is not str:
                raise Malformed(line, "an alias that is a key must stand for text")
            frame.key = anchored.value
            frame.merging = False
            self._document.lines.setdefault((*frame.path, anchored.value), line)
            return
        self._count(anchored.size, line)
        if len(self._stack) + anchored.height > MAX_DEPTH:
            raise Malformed(line, f"nested deeper than {MAX_DEPTH} levels")
        self._put(anchored.value, line, anchored.size, anchored.height)

    def _count(self, values: int, line: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise Malformed(line, f"holds more than {MAX_VALUES} values")

    def _put(self, value: Any, line: int, size: int, height: int) -> None:
        """Put a finished value where it belongs."""
        if not self._stack:
            self._document.value = value
            self._document.lines.setdefault((), line)
            return
        frame = self._stack[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        if type(frame.value) is list:
            self._document.lines.setdefault((*frame.path, len(frame.value)), line)
            frame.value.append(value)
            return
        key, frame.key = frame.key, _ABSENT
        if value is None:
            self._document.nulls.append((*frame.path, key))
        elif frame.merging:
            self._merge(frame, value, line)
        else:
            frame.value[key] = value

    def _merge(self, frame: _Frame, value: Any, line: int) -> None:
        parts = value if type(value) is list else [value]
        if all(type(part) is dict for part in parts):
            frame.merges.extend(parts)
        else:
            self._problem(line, "<< merges objects only")

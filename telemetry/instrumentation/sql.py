"""PostgreSQL: a span for every statement, with its text, its table and its rows, and none of its values."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg
from opentelemetry.trace import SpanKind

from telemetry.recording import Recorder
from telemetry.traces import current_recorder, ended, fail

T = TypeVar("T")

MAX_TEXT_CHARACTERS = 2_000
# Statements are written down in the code; those that a search is made into are many, but not without end.
KNOWN_STATEMENTS = 1_024

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_NUMBER = re.compile(r"(?<![\w$.])\d+(?:\.\d+)?\b")
_NAME = r'"?([a-z_][\w.]*)"?'
_WRITE = re.compile(
    rf"\b(?:(INSERT)\s+INTO|(DELETE)\s+FROM|(MERGE)\s+INTO)\s+(?:ONLY\s+)?{_NAME}"
    rf"|(?<!\bDO\s)\b(UPDATE)\s+(?:ONLY\s+)?{_NAME}(?=(?:\s+(?:AS\s+)?\w+)?\s+SET\b)",
    re.IGNORECASE,
)
_FROM = re.compile(rf"\bFROM\s+(?:ONLY\s+)?{_NAME}(?!\s*\(|[\w.])", re.IGNORECASE)
_CTE = re.compile(r"([a-z_]\w*)\s+(?:\([^)]*\)\s+)?AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """What is to be said of an SQL text; `collection` is empty where no table is meant."""

    operation: str
    collection: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.operation} {self.collection}" if self.collection else self.operation


@lru_cache(KNOWN_STATEMENTS)
def describe(sql: str) -> Statement:
    """A statement by its main table: the one that is written, else the first one that is read.

    Of several that are written it is the one whose rows the statement gives back.
    """
    text = _NUMBER.sub("?", _TEXT.sub("?", " ".join(_COMMENT.sub(" ", sql).split())))
    shown = text[:MAX_TEXT_CHARACTERS]
    parts, last = _parts(text)
    given = _FROM.search(last)
    first = parts.get(given[1].lower(), "") if given else ""
    for place in (last, first, text):
        if (written := _WRITE.search(place)) is not None:
            operation, table = (part for part in written.groups() if part)
            return Statement(operation.upper(), table, shown)
    operation = (last.partition(" ")[0].rstrip(";") or "(empty)").upper()
    if operation not in ("SELECT", "TABLE", "VALUES"):
        return Statement(operation, "", shown)
    tables = (name for name in _FROM.findall(text) if name.lower() not in parts)
    return Statement("SELECT", next(tables, ""), shown)


def _parts(text: str) -> tuple[dict[str, str], str]:
    """The parts of a WITH by their names, and the statement that follows them."""
    parts: dict[str, str] = {}
    end = 0
    while text.startswith("WITH ") and (begun := _CTE.search(text, end)) is not None:
        if end and text[end : begun.start()].strip() not in (",", ""):
            break
        depth, end = 1, begun.end()
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        parts[begun[1].lower()] = text[begun.end() : end - 1]
    return parts, text[end:].strip()


class TracedConnection(asyncpg.Connection):
    """A connection whose statements are spans of the work that they are made for."""

    # asyncpg's own, which has no public name for where it is connected to.
    _addr: tuple[str, int] | str
    _params: Any

    def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        return self._seen(query, super().fetch(query, *args, **options), len)

    def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        return self._seen(query, super().fetchrow(query, *args, **options), _one)

    def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        return self._seen(query, super().fetchval(query, *args, **options), _one)

    def execute(self, query: str, *args: Any, **options: Any) -> Any:
        return self._seen(query, super().execute(query, *args, **options))

    def executemany(self, command: str, args: Iterable[Any], **options: Any) -> Any:
        return self._seen(command, super().executemany(command, args, **options))

    def _seen(
        self, sql: str, work: Coroutine[Any, Any, T], rows: Callable[[Any], int] | None = None
    ) -> Coroutine[Any, Any, T]:
        recorder = current_recorder()
        return work if recorder is None else self._spanned(recorder, describe(sql), work, rows)

    async def _spanned(
        self,
        recorder: Recorder,
        statement: Statement,
        work: Coroutine[Any, Any, T],
        rows: Callable[[Any], int] | None,
    ) -> T:
        span = recorder.child(statement.name, SpanKind.CLIENT, self._attributes(statement))
        with ended(span):
            try:
                result = await work
            except asyncpg.PostgresError as error:
                if error.sqlstate:
                    span.set_attribute("db.response.status_code", error.sqlstate)
                    fail(span, error.sqlstate)
                raise
            if rows is not None:
                span.set_attribute("db.response.returned_rows", rows(result))
            return result

    def _attributes(self, statement: Statement) -> dict[str, str | int]:
        known: dict[str, str | int] = {
            "db.system.name": "postgresql",
            "db.namespace": self._params.database or "",
            "db.operation.name": statement.operation,
            "db.query.text": statement.text,
        }
        if statement.collection:
            known["db.collection.name"] = statement.collection
        if isinstance(self._addr, tuple):
            known["server.address"], known["server.port"] = self._addr[:2]
        else:
            known["server.address"] = str(self._addr)
        return known


def _one(result: object) -> int:
    return 0 if result is None else 1

"""What a journey and whoever sends for it say to each other: a Request out, an Answer back, nothing else.

    def reader(...) -> Journey:
        page = yield get("list links", "/api/v1/links", account)
        if page.ok: ...

A journey does no I/O, so locust's users and the open loop send the very same ones.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlencode


@dataclass(frozen=True)
class Request:
    """One request. `name` is what it is counted as: one of few, whatever the path holds."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """What came back; `status` 0: nothing did."""

    status: int
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The object that the body is; an empty one when it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


# A request that was answered without success ends its journey: the sender closes it and begins another.
Journey: TypeAlias = Generator[Request, Answer, None]


def get(name: str, path: str, headers: Mapping[str, str], **query: str) -> Request:
    """A GET request; the query is no part of its name."""
    return Request(name, "GET", f"{path}?{urlencode(query)}" if query else path, headers)


def send(
    name: str, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None
) -> Request:
    """A request that changes something, with JSON."""
    if body is None:
        return Request(name, method, path, headers)
    typed = {**headers, "content-type": "application/json"}
    return Request(name, method, path, typed, json.dumps(body))

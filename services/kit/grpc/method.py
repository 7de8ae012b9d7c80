"""The table a gRPC interface is written in: one Method per row.

A handler is `async def handler(deps, principal, request) -> response`; one that streams is an async generator
with the same arguments, which may yield None first: the client then gets the head, and knows that whatever
happens from then on is told. It raises the kit's Problems.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from services.kit.auth import Principal

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

DEADLINE_S = 5.0


@dataclass(frozen=True)
class Name(Generic[Request, Response]):
    """What a server and its clients agree on: the path of a method, and its two messages."""

    service: str
    method: str
    request: type[Request]
    response: type[Response]

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.method}"


@dataclass(frozen=True, kw_only=True)
class Unary:
    """One answer to one request, within `deadline_s` at most, for who has the scope."""

    name: Name[Any, Any]
    handler: Callable[[Any, Principal, Any], Awaitable[Message]]
    scope: str = "read"
    deadline_s: float = DEADLINE_S


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Answers to one request for as long as the client listens, for who has the scope."""

    name: Name[Any, Any]
    handler: Callable[[Any, Principal, Any], AsyncGenerator[Any, None]]
    scope: str = "read"


Method = Unary | Stream

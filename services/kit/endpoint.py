"""The table a service's interface is written in: one Endpoint per method and path.

A handler is `async def handler(deps, ...)`; its other parameters are given by name:

    principal: Principal (or `Principal | None` on a PUBLIC endpoint)
    body: SomeStruct       strict JSON; the struct says `forbid_unknown_fields=True`
    query: SomeStruct      strict query string; a list field takes repeated parameters
    headers: SomeStruct    `if_match: str | None = None` is the header If-Match
    request: Request       for its headers and sender, or to read a body as a stream (`request.stream()`)
    and the path's parameters: `link_id: int`, `key: str`

It returns a struct or a list (JSON), Created, Reply, NoContent (or None), or a starlette Response.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from services.kit.errors import PreconditionFailed, PreconditionRequired, Problem

T = TypeVar("T")

# Enough for the largest bulk operation; a file is streamed by an endpoint that says its own limit.
BODY_LIMIT_BYTES = 1024 * 1024
# Longer than any sound request takes, shorter than the patience of the proxies before it (15 s).
DEADLINE_S = 10.0


class Access(enum.Enum):
    """Who may call: anyone, whoever shows an access token with the scope `read` or `write`, or only services.

    INTERNAL is for calls of one service to another that are made for no user: the mesh lets in the principals
    that its policy names, and the caller shows the installation's service token (header X-Service-Token), so
    that a process outside the mesh is not open either. Internal endpoints are in no public description.
    """

    PUBLIC = ""
    INTERNAL = "internal"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One operation of the interface; the OpenAPI description is made from the same fields.

    `path` is starlette's (`/api/v1/links/{link_id:int}`); an int is a positive 64-bit number, anything
    else is a 404. `raises` are the problems of the operation itself; those of the kit (400, 401, 403, 413,
    415, 503, 504) are documented by themselves.

    `idempotent`: honour Idempotency-Key; by default on every method that writes. The handler then runs in
    one transaction together with the record of its answer: what it raises undoes what it did. Switch it off
    (and say why) where an effect must outlive an error, where the answer holds a secret, or where the body
    is a stream.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[object]]
    access: Access
    raises: tuple[type[Problem], ...] = ()
    status: int = 200
    body_limit_bytes: int = BODY_LIMIT_BYTES
    deadline_s: float = DEADLINE_S
    idempotent: bool | None = None
    tag: str = ""

    @property
    def takes_key(self) -> bool:
        """Whether Idempotency-Key is honoured."""
        return self.method not in ("GET", "HEAD") if self.idempotent is None else self.idempotent


@dataclass(frozen=True, slots=True)
class Created(Generic[T]):
    """201 with the new thing, its address and, where it has a version, its entity tag (without quotes)."""

    value: T
    location: str = ""
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A value with more than the endpoint's usual status; `etag` without quotes, answers If-None-Match."""

    value: T
    status: int | None = None
    etag: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoContent:
    """204."""

    headers: Mapping[str, str] = field(default_factory=dict)


def etag_matches(header: str, etag: str, *, weak: bool = False) -> bool:
    """Whether an If-Match (or, `weak`, If-None-Match) header names the entity tag (without quotes)."""
    listed = [tag.strip() for tag in header.split(",")]
    return "*" in listed or f'"{etag}"' in listed or (weak and f'W/"{etag}"' in listed)


def require_match(if_match: str | None, etag: str, *, required: bool = False) -> None:
    """Raise PreconditionFailed unless `if_match` names `etag`; PreconditionRequired when it must be there."""
    if if_match is None:
        if required:
            raise PreconditionRequired("send If-Match with the ETag that you read")
    elif not etag_matches(if_match, etag):
        raise PreconditionFailed("it was changed since you read it", etag=f'"{etag}"')


Handler = Callable[..., Awaitable[Any]]

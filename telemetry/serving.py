"""The HTTP request that is being served: what metrics, logs and spans say of it, by the same words."""

from __future__ import annotations

from contextvars import ContextVar, Token

from starlette.types import Message, Scope

# Only these and the table of routes become labels, or any client could fill the memory.
KNOWN_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER = "OTHER"
UNROUTED = "(none)"

# A client that goes away before the head of the response is counted as 499, as proxies do.
GONE_STATUS = 499
# What the server puts into a scope: a function that tells whether the client has gone.
GONE = "client_gone"

_current: ContextVar[Scope | None] = ContextVar("request_being_served", default=None)


def begin(scope: Scope) -> Token[Scope | None]:
    """From here on every log line of this task is about `scope`."""
    return _current.set(scope)


def end(token: Token[Scope | None]) -> None:
    _current.reset(token)


def current() -> Scope | None:
    """The request that this task works for."""
    return _current.get()


def method(scope: Scope) -> str:
    """The request's method, `OTHER` for one that nobody knows."""
    return scope["method"] if scope["method"] in KNOWN_METHODS else OTHER


def route(scope: Scope) -> str:
    """The template of the route, never the path; known once the router has chosen it."""
    template: str = getattr(scope.get("route"), "path_format", UNROUTED)
    return template


def status(scope: Scope, start: Message) -> int:
    """The status of a response that begins: nobody gets it when the client has gone."""
    gone = scope.get(GONE)
    if gone is not None and gone():
        return GONE_STATUS
    answered: int = start["status"]
    return answered

"""Who is calling: an ES256 access token, verified here again whatever a proxy before us did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FetchKeys = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, as the access token says."""

    user_id: int
    name: str
    scopes: frozenset[str]

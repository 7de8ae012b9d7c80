"""What other services ask about people, for no user."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from services.kit.endpoint import Access, Endpoint
from services.kit.errors import NotFound
from services.users.deps import Deps
from services.users.domain import PublicUser, attempted_username

MAX_IDS = 100


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[list[Annotated[int, Meta(ge=1, le=2**63 - 1)]], Meta(min_length=1, max_length=MAX_IDS)]


async def public_users(deps: Deps, query: Wanted) -> list[PublicUser]:
    """The users of these ids, in the order of the ids; unknown ones are left out."""
    return await deps.users.public(query.id)


async def public_user(deps: Deps, username: str) -> PublicUser:
    """The user of this name, whatever its case."""
    user = await deps.users.public_by_name(attempted_username(username))
    if user is None:
        raise NotFound("nobody has this name")
    return user


ENDPOINTS = (
    Endpoint(method="GET", path="/internal/v1/users", handler=public_users, access=Access.INTERNAL),
    Endpoint(
        method="GET",
        path="/internal/v1/users/by-name/{username}",
        handler=public_user,
        access=Access.INTERNAL,
        raises=(NotFound,),
    ),
)

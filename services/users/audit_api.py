"""What a person may read of what is kept about him: the audit log, and everything at once."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from services.kit import page
from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint, Reply
from services.kit.errors import Unauthenticated
from services.kit.page import Page
from services.users.audit import AuditEntry
from services.users.deps import NO_STORE, Deps
from services.users.export import Export
from services.users.problems import SessionRequired

# An export holds so many entries; who has more reads on with `audit_next`.
EXPORTED_ENTRIES = 10_000


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class _After(msgspec.Struct, frozen=True):
    id: Annotated[int, Meta(ge=1, le=2**63 - 1)]


async def list_audit(deps: Deps, principal: Principal, query: AuditQuery) -> Page[AuditEntry]:
    """The security-relevant actions on the caller's account, the newest first."""
    await deps.session_of(principal)
    before = None if query.cursor is None else page.decode(_After, query.cursor).id
    items, following = await _entries(deps, principal.user_id, query.limit, before)
    return Page(items=items, next=following)


async def export_me(deps: Deps, principal: Principal) -> Reply[Export]:
    """All that is kept here of the caller, in one document."""
    current = await deps.session_of(principal)
    # As of one moment.
    async with deps.database.transaction(isolation="repeatable_read", readonly=True):
        account = await deps.users.by_id(principal.user_id)
        if account is None:
            raise Unauthenticated("the account was deleted", error="invalid_token")
        entries, following = await _entries(deps, principal.user_id, EXPORTED_ENTRIES, None)
        export = Export(
            exported_at=deps.clock(),
            profile=account.user,
            sessions=await deps.sessions.list(principal.user_id, current, deps.clock()),
            tokens=await deps.tokens.list(principal.user_id),
            identities=await deps.identities.list(principal.user_id),
            audit=entries,
            audit_next=following,
        )
    return Reply(export, headers=NO_STORE)


async def _entries(
    deps: Deps, user_id: int, limit: int, before: int | None
) -> tuple[list[AuditEntry], str | None]:
    found = await deps.audit.list(user_id, limit + 1, before)
    items = found[:limit]
    return items, page.encode(_After(items[-1].id)) if len(found) > limit else None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/users/me/audit",
        handler=list_audit,
        access=Access.READ,
        raises=(SessionRequired,),
        tag="users",
    ),
    Endpoint(
        method="GET",
        path="/api/v1/users/me/export",
        handler=export_me,
        access=Access.READ,
        raises=(SessionRequired,),
        tag="users",
    ),
)

"""Requests about the sessions that there are: list them, sign out, end others."""

from __future__ import annotations

from starlette.requests import Request

from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint, NoContent
from services.kit.errors import NotFound
from services.kit.page import Page
from services.users.deps import Deps
from services.users.domain import Session
from services.users.problems import SessionRequired


async def list_sessions(deps: Deps, principal: Principal) -> Page[Session]:
    """The caller's open sessions, the latest used first; always one page."""
    current = await deps.session_of(principal)
    return Page(items=await deps.sessions.list(principal.user_id, current, deps.clock()))


async def sign_out(deps: Deps, request: Request, principal: Principal) -> NoContent:
    """End the session that the access token belongs to; the access token itself lives out its minutes."""
    if principal.session_id is None:
        raise SessionRequired("the access token of an API token has no session to end")
    async with deps.database.transaction():
        if await deps.sessions.end(principal.user_id, principal.session_id):
            await deps.note("signed-out", request, principal.user_id, principal.session_id)
    return NoContent()


async def end_session(deps: Deps, request: Request, principal: Principal, session_id: int) -> NoContent:
    """End one of the caller's sessions."""
    current = await deps.session_of(principal)
    async with deps.database.transaction():
        if not await deps.sessions.end(principal.user_id, session_id):
            raise NotFound(f"no session is {session_id}")
        await deps.note("session-ended", request, principal.user_id, current, ended=str(session_id))
    return NoContent()


async def end_other_sessions(deps: Deps, request: Request, principal: Principal) -> NoContent:
    """End all of the caller's sessions but the one that asks."""
    current = await deps.session_of(principal)
    async with deps.database.transaction():
        if ended := await deps.sessions.end_others(principal.user_id, current):
            await deps.note("session-ended", request, principal.user_id, current, ended=f"{ended} others")
    return NoContent()


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/sessions",
        handler=list_sessions,
        access=Access.READ,
        raises=(SessionRequired,),
        tag="sessions",
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/sessions",
        handler=end_other_sessions,
        access=Access.WRITE,
        raises=(SessionRequired,),
        status=204,
        tag="sessions",
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/sessions/current",
        handler=sign_out,
        access=Access.READ,
        raises=(SessionRequired,),
        status=204,
        tag="sessions",
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/sessions/{session_id:int}",
        handler=end_session,
        access=Access.WRITE,
        raises=(SessionRequired, NotFound),
        status=204,
        tag="sessions",
    ),
)

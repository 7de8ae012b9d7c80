"""Requests about identities: make an account out of one, link one, list and unlink.

An e-mail address alone links nothing. Who wants an identity to sign in to an account that exists shows both:
the identity by a ticket of a moment ago, the account by its password (or, where it has none, by a sign-in).
"""

from __future__ import annotations

from starlette.requests import Request

from services.kit.auth import Principal
from services.kit.endpoint import Access, Created, Endpoint, NoContent, Reply
from services.kit.errors import NotFound, TooManyRequests, Unauthenticated, Unprocessable
from services.kit.page import Page
from services.kit.settings import Secret
from services.users import domain
from services.users.deps import BODY_LIMIT_BYTES, NO_STORE, Deps
from services.users.domain import User
from services.users.messages import Tokens
from services.users.oidc.attempt import TicketSecret
from services.users.oidc.domain import Identity
from services.users.oidc.messages import LinkIdentity, NewAccount
from services.users.oidc.protocol import Proven
from services.users.oidc.store import IdentityTaken, LastSignIn, TooManyIdentities
from services.users.problems import (
    FreshSignInRequired,
    InvalidField,
    SessionRequired,
    WrongPassword,
    field_checked,
)
from services.users.session_store import Opened
from services.users.store import UsernameTaken


class InvalidTicket(Unprocessable):
    """Unknown, used or expired: sign in at the provider again."""

    title = "Invalid ticket"


async def sign_up_by_identity(deps: Deps, request: Request, body: NewAccount) -> Reply[Tokens]:
    """Make an account out of an identity, and sign in to it; it has no password until one is set."""
    deps.signer.require()
    with field_checked("/username"):
        username = domain.fold_username(body.username)
    deps.require_open()
    now = deps.clock()
    await deps.throttle.charge(deps.limits.sign_up_address, deps.address_of(request), now=now)
    # All or nothing: with a name that is taken the ticket stays good for another one.
    async with deps.database.transaction():
        user, opened = await _account_of(deps, request, await _proven(deps, body.ticket), username)
    deps.metrics.sign_ins["identity"].inc()
    return Reply(deps.tokens_of(user.id, user.username, opened), headers=NO_STORE)


async def _account_of(deps: Deps, request: Request, proven: Proven, username: str) -> tuple[User, Opened]:
    now, by = deps.clock(), proven.provider
    user = await deps.users.add(username, proven.email, None, None, now)
    identity = await deps.identities.add(user.id, proven, now)
    user_agent = domain.shorten_user_agent(request.headers.get("user-agent", ""))
    opened = await deps.sessions.open_by_identity(user.id, identity.id, user_agent, now)
    # Nobody else can have touched what this transaction has made.
    assert opened is not None  # noqa: S101
    await deps.note("account-created", request, user.id)
    await deps.note("identity-linked", request, user.id, opened.session_id, provider=by)
    await deps.note("signed-in", request, user.id, opened.session_id, by=by)
    return user, opened


async def link_identity(
    deps: Deps, request: Request, principal: Principal, body: LinkIdentity
) -> Created[Identity]:
    """Link an identity to the caller's account, which takes the password or a fresh sign-in with it."""
    session_id = await deps.session_of(principal)
    account = await deps.users.by_id(principal.user_id)
    if account is None:
        raise Unauthenticated("the account was deleted", error="invalid_token")
    await deps.confirm(request, account, session_id, body.password, fresh_suffices=True)
    async with deps.database.transaction():
        proven = await _proven(deps, body.ticket)
        identity = await deps.identities.add(principal.user_id, proven, deps.clock())
        await deps.note("identity-linked", request, principal.user_id, session_id, provider=proven.provider)
    return Created(identity, f"/api/v1/users/me/identities/{identity.id}")


async def _proven(deps: Deps, text: Secret) -> Proven:
    ticket = TicketSecret.parse(text)
    proven = None if ticket is None else await deps.attempts.take(ticket, deps.clock())
    if proven is None:
        raise InvalidTicket("sign in at the provider again")
    return proven


async def list_identities(deps: Deps, principal: Principal) -> Page[Identity]:
    """The identities that sign in to the caller's account, the oldest first; always one page."""
    await deps.session_of(principal)
    return Page(items=await deps.identities.list(principal.user_id))


async def unlink_identity(deps: Deps, request: Request, principal: Principal, identity_id: int) -> NoContent:
    """Unlink an identity; the other sessions that it opened end."""
    session_id = await deps.session_of(principal)
    async with deps.database.transaction():
        provider = await deps.identities.remove(principal.user_id, identity_id, kept_session=session_id)
        if provider is None:
            raise NotFound(f"no identity is {identity_id}")
        await deps.note("identity-unlinked", request, principal.user_id, session_id, provider=provider)
    return NoContent()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/users/oidc",
        handler=sign_up_by_identity,
        access=Access.PUBLIC,
        raises=(InvalidField, InvalidTicket, UsernameTaken, IdentityTaken, TooManyRequests),
        status=201,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # request and answer hold secrets; afterwards one signs in as ever
        tag="users",
    ),
    Endpoint(
        method="GET",
        path="/api/v1/users/me/identities",
        handler=list_identities,
        access=Access.READ,
        raises=(SessionRequired,),
        tag="users",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/users/me/identities",
        handler=link_identity,
        access=Access.WRITE,
        raises=(
            InvalidTicket,
            WrongPassword,
            FreshSignInRequired,
            SessionRequired,
            IdentityTaken,
            TooManyIdentities,
            TooManyRequests,
        ),
        status=201,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # a password is in the body, and a wrong one must stay counted
        tag="users",
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/users/me/identities/{identity_id:int}",
        handler=unlink_identity,
        access=Access.WRITE,
        raises=(SessionRequired, NotFound, LastSignIn),
        status=204,
        tag="users",
    ),
)

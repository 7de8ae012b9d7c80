"""Requests about accounts: sign up, look, change the password, delete.

The kit's records of Idempotency-Keys are not used where a password is in the body: they hold a fast hash
of it. Sign-up keeps the key with the account instead; the others can be repeated as they are.
"""

from __future__ import annotations

import structlog
from starlette.requests import Request

from services.kit.auth import Principal
from services.kit.endpoint import Access, Created, Endpoint, NoContent
from services.kit.errors import Conflict, TooManyRequests, Unauthenticated, Unprocessable
from services.users import domain
from services.users.audit import Action
from services.users.deps import BODY_LIMIT_BYTES, Deps, RequestKey
from services.users.domain import User
from services.users.messages import Confirmation, NewPassword, SignUp
from services.users.problems import (
    FreshSignInRequired,
    InvalidField,
    SessionRequired,
    WrongPassword,
    field_checked,
)
from services.users.store import KeyTaken, UsernameTaken

_log = structlog.get_logger(__name__)


async def sign_up(deps: Deps, request: Request, body: SignUp, headers: RequestKey) -> Created[User]:
    """Make an account; usernames are the same whatever their case."""
    with field_checked("/username"):
        username = domain.fold_username(body.username)
    with field_checked("/password"):
        domain.check_password(domain.normalise_password(body.password.reveal()), username)
    with field_checked("/email"):
        email = domain.check_email(body.email)
    deps.require_open()
    now, address = deps.clock(), deps.address_of(request)
    await deps.throttle.charge(deps.limits.sign_up_address, address, now=now)
    wanted = SignUp(username=username, password=body.password, email=email)
    if headers.hash is not None and (made := await _made_before(deps, wanted, headers.hash, address)):
        return Created(made, "/api/v1/users/me")
    if await deps.users.is_taken(username):
        raise UsernameTaken("choose another username")
    password_hash = await deps.passwords.hash(body.password)
    try:
        async with deps.database.transaction():
            user = await deps.users.add(username, email, password_hash, headers.hash, now)
            await deps.note("account-created", request, user.id)
    except (KeyTaken, UsernameTaken):
        # Perhaps by this very request, sent twice at the same time.
        made = await _made_before(deps, wanted, headers.hash, address) if headers.hash else None
        if made is None:
            raise UsernameTaken("choose another username") from None
        user = made
    return Created(user, "/api/v1/users/me")


async def _made_before(deps: Deps, wanted: SignUp, request_key: bytes, address: str) -> User | None:
    """The account that the same request made; Unprocessable when the key came with another request."""
    account = await deps.users.by_request_key(request_key)
    if account is None:
        return None
    other = Unprocessable("this Idempotency-Key was used for another sign-up", header="idempotency-key")
    if (account.user.username, account.user.email) != (wanted.username, wanted.email):
        raise other
    # It answers whether a password is right, so it is throttled like a sign-in.
    async with deps.throttle.attempt(deps.limits, account.user.username, address, now=deps.clock()) as delay:
        await deps.slowing.wait(delay)
        if not await deps.passwords.verify(account.password_hash, wanted.password):
            raise other
    return account.user


async def get_me(deps: Deps, principal: Principal) -> User:
    """The caller's account."""
    account = await deps.users.by_id(principal.user_id)
    if account is None:
        raise Unauthenticated("the account was deleted", error="invalid_token")
    return account.user


async def change_password(deps: Deps, request: Request, principal: Principal, body: NewPassword) -> NoContent:
    """Change or first set the password: every other session ends, and on request all API tokens.

    Sent again after it was done, it is done: the new password counts as the confirmation then.
    """
    session_id = await deps.session_of(principal)
    account = await deps.users.by_id(principal.user_id)
    if account is None:
        raise Unauthenticated("the account was deleted", error="invalid_token")
    with field_checked("/new_password"):
        new_password = domain.normalise_password(body.new_password.reveal())
        domain.check_password(new_password, account.user.username)
    try:
        await deps.confirm(request, account, session_id, body.current_password)
    except WrongPassword:
        if await deps.passwords.verify(account.password_hash, body.new_password):
            return NoContent()
        raise
    password_hash = await deps.passwords.hash(body.new_password)
    async with deps.database.transaction():
        changed = await deps.users.change_password(
            account,
            password_hash,
            deps.clock(),
            kept_session=session_id,
            revoke_api_tokens=body.revoke_api_tokens,
        )
        if not changed:
            raise Conflict("the password was changed by another request meanwhile")
        done: Action = "password-changed" if account.password_hash else "password-set"
        more = {"api_tokens": "revoked"} if body.revoke_api_tokens else {}
        await deps.note(done, request, account.user.id, session_id, **more)
    return NoContent()


async def delete_me(deps: Deps, request: Request, principal: Principal, body: Confirmation) -> NoContent:
    """Delete the caller's account and all that belongs to it here; it cannot be undone."""
    account = await deps.users.by_id(principal.user_id)
    if account is None:
        return NoContent()
    session_id = await deps.session_of(principal)
    await deps.confirm(request, account, session_id, body.password)
    await deps.users.delete(account.user.id, deps.clock())
    _log.info("account deleted", user_id=account.user.id, session_id=session_id)
    return NoContent()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/users",
        handler=sign_up,
        access=Access.PUBLIC,
        raises=(InvalidField, UsernameTaken, TooManyRequests),
        status=201,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # by the handler itself: see above
        tag="users",
    ),
    Endpoint(method="GET", path="/api/v1/users/me", handler=get_me, access=Access.READ, tag="users"),
    Endpoint(
        method="DELETE",
        path="/api/v1/users/me",
        handler=delete_me,
        access=Access.WRITE,
        raises=(WrongPassword, FreshSignInRequired, SessionRequired, TooManyRequests),
        status=204,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # a password is in the body, and a wrong one must stay counted
        tag="users",
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/users/me/password",
        handler=change_password,
        access=Access.WRITE,
        raises=(InvalidField, WrongPassword, FreshSignInRequired, SessionRequired, Conflict, TooManyRequests),
        status=204,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # as above
        tag="users",
    ),
)

"""Requests about sessions: sign in, refresh, list, sign out.

None of the answers with a token is kept anywhere, so the kit's Idempotency-Key is off for them. A refresh
honours the key all the same (domain.judge_refresh); a repeated sign-in opens another session, and an
account's least used session ends when there are too many.
"""

from __future__ import annotations

import structlog
from starlette.requests import Request

from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint, NoContent, Reply
from services.kit.errors import NotFound, TooManyRequests, Unprocessable
from services.kit.page import Page
from services.kit.settings import Secret
from services.users import domain
from services.users.deps import BODY_LIMIT_BYTES, NO_STORE, Deps, RequestKey
from services.users.domain import SESSION_SCOPES, Grant, Session, Verdict
from services.users.messages import Refresh, SignIn, Tokens
from services.users.opaque import RefreshToken, api_token_hash
from services.users.problems import InvalidCredentials, InvalidRefreshToken, SessionRequired
from services.users.session_store import Opened
from services.users.store import Account

_log = structlog.get_logger(__name__)


async def sign_in(deps: Deps, request: Request, body: SignIn) -> Reply[Tokens]:
    """Open a session by username and password, or exchange an API token for an access token (no refresh)."""
    deps.signer.require()
    if body.api_token is not None:
        return await _exchange(deps, body.api_token)
    # The struct has seen to both.
    username, password = body.username or "", body.password or Secret("")
    account, opened = await _by_password(deps, request, username, password)
    deps.metrics.sign_ins["right"].inc()
    return _answer(deps, account.user.id, account.user.username, opened)


async def _by_password(
    deps: Deps, request: Request, username: str, password: Secret
) -> tuple[Account, Opened]:
    """The account and its new session; the same answer after the same work for whatever is wrong."""
    name, address = domain.attempted_username(username), deps.address_of(request)
    async with deps.throttle.attempt(deps.limits, name, address, now=deps.clock()) as delay:
        await deps.slowing.wait(delay)
        account = await deps.users.by_name(name)
        right = await deps.passwords.verify(account.password_hash if account else None, password)
        opened = None
        if account is not None and right:
            user_agent = domain.shorten_user_agent(request.headers.get("user-agent", ""))
            opened = await deps.sessions.open(
                account.user.id, account.password_changed_at, user_agent, deps.clock()
            )
        if account is None or opened is None:
            deps.metrics.sign_ins["wrong"].inc()
            raise InvalidCredentials("the username or the password is wrong")
    if deps.passwords.is_outdated(account.password_hash):
        await deps.users.rehash(account, await deps.passwords.hash(password))
    return account, opened


async def _exchange(deps: Deps, api_token: Secret) -> Reply[Tokens]:
    token_hash = api_token_hash(api_token)
    grant = None if token_hash is None else await deps.tokens.use(token_hash, deps.clock())
    if grant is None:
        deps.metrics.sign_ins["wrong-api-token"].inc()
        raise InvalidCredentials("the API token is unknown, revoked or expired")
    deps.metrics.sign_ins["api-token"].inc()
    access = deps.signer.sign(grant)
    tokens = Tokens(
        access_token=access.text, expires_in=access.expires_in, scope=domain.scope_claim(grant.scopes)
    )
    return Reply(tokens, headers=NO_STORE)


async def refresh(deps: Deps, body: Refresh, headers: RequestKey) -> Reply[Tokens]:
    """Exchange a refresh token, once, for the next one; a used one ends its session."""
    token = RefreshToken.parse(body.refresh_token)
    refused = InvalidRefreshToken("sign in again")
    if token is None:
        raise refused
    # Afterwards the token is used, whether or not the answer comes to be.
    deps.signer.require()
    outcome = await deps.sessions.refresh(token, headers.hash, deps.clock())
    if outcome.verdict is None or outcome.session is None:
        raise refused
    deps.metrics.refreshes[outcome.verdict].inc()
    if outcome.verdict is Verdict.REUSED:
        session = outcome.session
        _log.warning("refresh token reused, session ended", session_id=session.id, user_id=session.user_id)
    if outcome.verdict is Verdict.KEY_REUSED:
        raise Unprocessable("this Idempotency-Key was used for another refresh", header="idempotency-key")
    if outcome.opened is None:
        raise refused
    return _answer(deps, outcome.session.user_id, outcome.session.username, outcome.opened)


def _answer(deps: Deps, user_id: int, username: str, opened: Opened) -> Reply[Tokens]:
    access = deps.signer.sign(Grant(user_id, username, SESSION_SCOPES, opened.session_id))
    tokens = Tokens(
        access_token=access.text,
        expires_in=access.expires_in,
        scope=domain.scope_claim(SESSION_SCOPES),
        refresh_token=opened.token.text,
        refresh_expires_in=int((opened.expires_at - deps.clock()).total_seconds()),
    )
    return Reply(tokens, headers=NO_STORE)


async def list_sessions(deps: Deps, principal: Principal) -> Page[Session]:
    """The caller's open sessions, the latest used first; always one page."""
    current = await deps.session_of(principal)
    return Page(items=await deps.sessions.list(principal.user_id, current, deps.clock()))


async def sign_out(deps: Deps, principal: Principal) -> NoContent:
    """End the session that the access token belongs to; the access token itself lives out its minutes."""
    if principal.session_id is None:
        raise SessionRequired("the access token of an API token has no session to end")
    await deps.sessions.end(principal.user_id, principal.session_id)
    return NoContent()


async def end_session(deps: Deps, principal: Principal, session_id: int) -> NoContent:
    """End one of the caller's sessions."""
    await deps.session_of(principal)
    if not await deps.sessions.end(principal.user_id, session_id):
        raise NotFound(f"no session is {session_id}")
    return NoContent()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/sessions",
        handler=sign_in,
        access=Access.PUBLIC,
        raises=(InvalidCredentials, TooManyRequests),
        status=201,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # request and answer hold secrets
        tag="sessions",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/sessions/refresh",
        handler=refresh,
        access=Access.PUBLIC,
        raises=(InvalidRefreshToken, Unprocessable),
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # by the handler itself: see above
        tag="sessions",
    ),
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

"""Requests that give tokens: sign in by password or API token, refresh.

None of the answers is kept anywhere, so the kit's Idempotency-Key is off for them. A refresh honours the key
all the same (domain.judge_refresh); a repeated sign-in opens another session, and an account's least used
session ends when there are too many.
"""

from __future__ import annotations

import structlog
from starlette.requests import Request

from services.kit.endpoint import Access, Endpoint, Reply
from services.kit.errors import TooManyRequests, Unprocessable
from services.kit.settings import Secret
from services.users import domain
from services.users.deps import BODY_LIMIT_BYTES, NO_STORE, Deps, RequestKey
from services.users.domain import Verdict
from services.users.messages import Refresh, SignIn, Tokens
from services.users.opaque import RefreshToken, api_token_hash
from services.users.problems import InvalidCredentials, InvalidRefreshToken
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
    return Reply(deps.tokens_of(account.user.id, account.user.username, opened), headers=NO_STORE)


async def _by_password(
    deps: Deps, request: Request, username: str, password: Secret
) -> tuple[Account, Opened]:
    """The account and its new session; the same answer after the same work for whatever is wrong."""
    name, address = domain.attempted_username(username), deps.address_of(request)
    async with deps.throttle.attempt(deps.limits, name, address, now=deps.clock()) as delay:
        await deps.slowing.wait(delay)
        account = await deps.users.by_name(name)
        password_hash = account.password_hash if account else None
        right = await deps.passwords.verify(password_hash, password)
        opened = await _opened(deps, request, account) if account is not None and right else None
        if account is None or opened is None:
            deps.metrics.sign_ins["wrong"].inc()
            await deps.note("sign-in-failed", request, account.user.id if account else None)
            raise InvalidCredentials("the username or the password is wrong")
    if password_hash is not None and deps.passwords.is_outdated(password_hash):
        await deps.users.rehash(account, await deps.passwords.hash(password))
    return account, opened


async def _opened(deps: Deps, request: Request, account: Account) -> Opened | None:
    user_agent = domain.shorten_user_agent(request.headers.get("user-agent", ""))
    async with deps.database.transaction():
        opened = await deps.sessions.open_by_password(
            account.user.id, account.password_changed_at, user_agent, deps.clock()
        )
        if opened is not None:
            await deps.note("signed-in", request, account.user.id, opened.session_id, by="password")
    return opened


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


async def refresh(deps: Deps, request: Request, body: Refresh, headers: RequestKey) -> Reply[Tokens]:
    """Exchange a refresh token, once, for the next one; a used one ends its session."""
    token = RefreshToken.parse(body.refresh_token)
    refused = InvalidRefreshToken("sign in again")
    if token is None:
        raise refused
    # Afterwards the token is used, whether or not the answer comes to be.
    deps.signer.require()
    async with deps.database.transaction():
        outcome = await deps.sessions.refresh(token, headers.hash, deps.clock())
        if outcome.verdict is Verdict.REUSED and outcome.session is not None:
            reused = outcome.session
            await deps.note("refresh-token-reused", request, reused.user_id, reused.id)
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
    return Reply(
        deps.tokens_of(outcome.session.user_id, outcome.session.username, outcome.opened), headers=NO_STORE
    )


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
)

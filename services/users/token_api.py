"""Requests about personal API tokens; only a signed-in session makes, sees and revokes them."""

from __future__ import annotations

from starlette.requests import Request

from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint, NoContent, Reply
from services.kit.errors import NotFound, Unprocessable
from services.kit.page import Page
from services.users import domain
from services.users.deps import BODY_LIMIT_BYTES, NO_STORE, Deps, RequestKey
from services.users.domain import ApiToken, NewApiToken
from services.users.messages import CreatedApiToken
from services.users.problems import InvalidField, SessionRequired, field_checked
from services.users.token_store import SessionEnded, TokenNameTaken, TooManyTokens


async def create_token(
    deps: Deps, request: Request, principal: Principal, body: NewApiToken, headers: RequestKey
) -> Reply[CreatedApiToken]:
    """Make a token; its text is shown now and never again."""
    session_id = await deps.session_of(principal)
    now = deps.clock()
    with field_checked(""):
        new = domain.check_new_token(body, now)
    try:
        async with deps.database.transaction():
            made = await deps.tokens.add(principal.user_id, session_id, new, headers.hash, now)
            if not made.again:
                scopes = domain.scope_claim(new.scopes)
                await deps.note(
                    "token-created", request, principal.user_id, session_id, name=new.name, scopes=scopes
                )
    except SessionEnded:
        raise SessionRequired("sign in for this") from None
    headers_sent = {**NO_STORE, "location": f"/api/v1/tokens/{made.token.id}"}
    return Reply(CreatedApiToken(api_token=made.token, token=made.secret.text), headers=headers_sent)


async def list_tokens(deps: Deps, principal: Principal) -> Page[ApiToken]:
    """The caller's tokens without their texts, the newest first; always one page."""
    await deps.session_of(principal)
    return Page(items=await deps.tokens.list(principal.user_id))


async def revoke_token(deps: Deps, request: Request, principal: Principal, token_id: int) -> NoContent:
    """Revoke a token; access tokens that it was exchanged for live out their minutes."""
    session_id = await deps.session_of(principal)
    async with deps.database.transaction():
        name = await deps.tokens.revoke(principal.user_id, token_id)
        if name is None:
            raise NotFound(f"no token is {token_id}")
        await deps.note("token-revoked", request, principal.user_id, session_id, name=name)
    return NoContent()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/tokens",
        handler=create_token,
        access=Access.WRITE,
        raises=(InvalidField, SessionRequired, TokenNameTaken, TooManyTokens, Unprocessable),
        status=201,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # the answer is a secret; the store makes it again instead of keeping it
        tag="tokens",
    ),
    Endpoint(
        method="GET",
        path="/api/v1/tokens",
        handler=list_tokens,
        access=Access.READ,
        raises=(SessionRequired,),
        tag="tokens",
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/tokens/{token_id:int}",
        handler=revoke_token,
        access=Access.WRITE,
        raises=(SessionRequired, NotFound),
        status=204,
        tag="tokens",
    ),
)

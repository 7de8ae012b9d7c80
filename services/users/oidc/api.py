"""Requests of a sign-in with an identity provider: which there are, begin, finish.

The web page keeps `transaction` in a cookie of the browser, so that an answer counts only in the browser that
began. It is good once; a request whose `state` does not belong to it is refused without using it up, or
anybody could end somebody's sign-in with a link.
"""

from __future__ import annotations

import structlog
from starlette.requests import Request

from services.kit.endpoint import Access, Endpoint, Reply
from services.kit.errors import NotFound, TooManyRequests, Unprocessable
from services.kit.page import Page
from services.users.deps import BODY_LIMIT_BYTES, NO_STORE, Deps
from services.users.domain import shorten_user_agent
from services.users.oidc.attempt import Attempt
from services.users.oidc.domain import ATTEMPT_LIFE, TICKET_LIFE, usernames_like
from services.users.oidc.http import ProviderFault, ProviderUnavailable
from services.users.oidc.messages import (
    BeginSignIn,
    FinishSignIn,
    IdentityProvider,
    SignInBegun,
    SignInFinished,
    UnknownIdentity,
)
from services.users.oidc.protocol import IdentityRefused, Proven

_log = structlog.get_logger(__name__)


class SignInNotBegun(Unprocessable):
    """Not by this browser, not with this provider, too long ago, or finished already: begin anew."""

    title = "No such sign-in is under way"


async def list_providers(deps: Deps) -> Page[IdentityProvider]:
    """Who people may sign in with; always one page, empty where nobody is."""
    providers = deps.relying_party.providers.values()
    return Page(items=[IdentityProvider(provider.id, provider.name) for provider in providers])


async def begin_sign_in(deps: Deps, request: Request, body: BeginSignIn) -> Reply[SignInBegun]:
    """Begin a sign-in: where to send the browser, and what it has to bring back."""
    provider = deps.relying_party.providers.get(body.provider)
    if provider is None:
        raise NotFound("there is no such identity provider")
    now = deps.clock()
    await deps.throttle.charge(deps.limits.elsewhere_address, deps.address_of(request), now=now)
    attempt = Attempt.generate(deps.attempts.pepper)
    url = await deps.relying_party.authorization_url(provider, attempt)
    await deps.attempts.begin(attempt, provider, now)
    begun = SignInBegun(
        authorization_url=url, transaction=attempt.text, expires_in=int(ATTEMPT_LIFE.total_seconds())
    )
    return Reply(begun, headers=NO_STORE)


async def finish_sign_in(deps: Deps, request: Request, body: FinishSignIn) -> Reply[SignInFinished]:
    """Finish a sign-in: tokens, or a ticket to link the identity to an account or to make one of it."""
    # Afterwards the code is used, whether or not the answer comes to be.
    deps.signer.require()
    refused = SignInNotBegun("begin anew")
    attempt = Attempt.parse(body.transaction, deps.attempts.pepper)
    provider = deps.relying_party.providers.get(body.provider)
    if attempt is None or provider is None or not attempt.began(body.state):
        raise refused
    if not await deps.attempts.end(attempt, provider, deps.clock()):
        raise refused
    try:
        proven = await deps.relying_party.identify(provider, attempt, body.code, body.iss)
    except IdentityRefused as problem:
        deps.metrics.sign_ins["refused-identity"].inc()
        _log.warning("identity refused", provider=provider.id, reason=problem.detail)
        raise
    finished = await _signed_in(deps, request, proven) or await _unknown(deps, proven)
    deps.metrics.sign_ins["identity" if finished.tokens else "unknown-identity"].inc()
    return Reply(finished, headers=NO_STORE)


async def _signed_in(deps: Deps, request: Request, proven: Proven) -> SignInFinished | None:
    """A session of the account that the identity signs in to, if there is one."""
    user_agent = shorten_user_agent(request.headers.get("user-agent", ""))
    async with deps.database.transaction():
        known = await deps.identities.use(proven, deps.clock())
        if known is None:
            return None
        opened = await deps.sessions.open_by_identity(
            known.user_id, known.identity_id, user_agent, deps.clock()
        )
        # The row is locked since `use`.
        assert opened is not None  # noqa: S101
        await deps.note("signed-in", request, known.user_id, opened.session_id, by=proven.provider)
    return SignInFinished(tokens=deps.tokens_of(known.user_id, known.username, opened))


async def _unknown(deps: Deps, proven: Proven) -> SignInFinished:
    ticket = await deps.attempts.issue(proven, deps.clock())
    unknown = UnknownIdentity(
        ticket=ticket.text,
        expires_in=int(TICKET_LIFE.total_seconds()),
        provider=proven.provider,
        email=proven.email,
        suggested_username=await deps.users.first_free(list(usernames_like(proven.nickname))),
        account_exists=proven.email is not None and await deps.users.is_known_email(proven.email),
    )
    return SignInFinished(linking=unknown)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/identity-providers",
        handler=list_providers,
        access=Access.PUBLIC,
        tag="sessions",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/sessions/oidc",
        handler=begin_sign_in,
        access=Access.PUBLIC,
        raises=(NotFound, TooManyRequests, ProviderUnavailable, ProviderFault),
        status=201,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # the answer is a secret; another attempt does no harm
        tag="sessions",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/sessions/oidc/callback",
        handler=finish_sign_in,
        access=Access.PUBLIC,
        raises=(SignInNotBegun, IdentityRefused, ProviderUnavailable, ProviderFault),
        status=201,
        body_limit_bytes=BODY_LIMIT_BYTES,
        idempotent=False,  # request and answer hold secrets
        tag="sessions",
    ),
)

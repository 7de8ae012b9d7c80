"""Sign in with an identity provider: off to it, and back from it."""

from __future__ import annotations

from contextlib import suppress

from starlette.responses import Response

from services.kit.errors import Forbidden, NotFound, Problem, Unprocessable
from services.users.client import FinishSignIn, Tokens
from services.web.elsewhere import UnderWay, Unlinked, drop, find, keep
from services.web.failures import said
from services.web.page import page
from services.web.sessions import claims_of
from services.web.visit import HOME, Visit, local_path

# As the users service takes them.
MAX_PARAMETER = 4_096
# It goes into a cookie, which browsers take up to 4,096 bytes.
MAX_NEXT = 1_000
# What a provider did is no failure of ours: as a 503 it would take healthy replicas out of the mesh.
FAILED_DEPENDENCY = 424
PROVIDERS_OWN = ("provider-unavailable", "provider-fault")


class SignInNotBegun(Unprocessable):
    """Not by this browser, or too long ago; the users service calls it the same."""

    title = "No such sign-in is under way"


class SignInDeclined(Forbidden):
    """Whoever was asked said no, or the provider did."""

    title = "The sign-in was declined"


async def begin(visit: Visit) -> Response:
    """Send the browser to the provider.

    By a page and not by a redirect: our policy lets no form lead to another site.
    """
    try:
        begun = await visit.users.begin_sign_in(visit.request.path_params["provider"])
    except NotFound:
        raise
    except Problem as error:
        return _ended(visit, error)
    wanted = local_path(visit.form.text("next"))
    under_way = UnderWay(
        transaction=begun.transaction,
        next=wanted if len(wanted) <= MAX_NEXT else HOME,
        user_id=None if visit.session is None else visit.session.user_id,
    )
    keep(visit, under_way, begun.expires_in)
    return visit.render("identities/leaving.html", address=begun.authorization_url)


async def finish(visit: Visit) -> Response:
    """Take what the provider sends; the cookie stays until it has worked, so no forged answer ends it."""
    under_way = find(visit, UnderWay)
    try:
        if visit.query.text("error"):
            raise SignInDeclined
        if under_way is None:
            raise SignInNotBegun
        finished = await visit.users.finish_sign_in(_answer(visit, under_way))
    except Problem as error:
        return _ended(visit, error)
    drop(visit, UnderWay)
    if finished.tokens is not None:
        return await _enter(visit, under_way, finished.tokens)
    linking = finished.linking
    # The answer is one of the two.
    assert linking is not None  # noqa: S101
    unlinked = Unlinked(
        ticket=linking.ticket,
        email=linking.email,
        suggested_username=linking.suggested_username or "",
        account_exists=linking.account_exists,
        next=under_way.next,
    )
    keep(visit, unlinked, linking.expires_in)
    return visit.redirect("/new-identity")


def _answer(visit: Visit, under_way: UnderWay) -> FinishSignIn:
    code, state, iss = (visit.query.secret(name) for name in ("code", "state", "iss"))
    if not code or not state or max(map(len, (code, state, iss))) > MAX_PARAMETER:
        raise SignInNotBegun
    return FinishSignIn(
        transaction=under_way.transaction,
        provider=visit.request.path_params["provider"],
        code=code,
        state=state,
        iss=iss or None,
    )


async def _enter(visit: Visit, under_way: UnderWay, tokens: Tokens) -> Response:
    """Sign in; who was signed in already meant this account, and does not find himself in another one."""
    claims = claims_of(tokens.access_token)
    if under_way.user_id not in (None, int(claims.sub)):
        # It ends by itself too.
        with suppress(Problem):
            await visit.users.sign_out(tokens.access_token)
        sentence = f"This identity signs in to another account, {claims.name}. Unlink it there first."
        return visit.redirect("/account", sentence)
    await visit.enter(tokens)
    return visit.redirect(under_way.next)


def _ended(visit: Visit, error: Problem) -> Response:
    """What went wrong, and the way back; what the address says is shown nowhere."""
    status = FAILED_DEPENDENCY if error.type in PROVIDERS_OWN else error.status
    response = visit.render("identities/failed.html", status, sentence=said(error))
    response.headers.update(error.headers)
    return response


async def to_the_sign_in(visit: Visit) -> Response:
    """For who loads the page again that led to the provider."""
    return visit.redirect("/sign-in")


ROUTES = [
    page("/sign-in/{provider}", get=to_the_sign_in, post=begin, public=True),
    page("/sign-in/{provider}/callback", get=finish, public=True),
]

"""What becomes of a proven identity: a new account, or another way to sign in to one; and how that ends."""

from __future__ import annotations

from contextlib import suppress

from starlette.responses import Response

from services.kit.errors import Conflict, NotFound, Problem, Unauthenticated, Unavailable
from services.kit.settings import Secret
from services.web.elsewhere import Unlinked, drop, find
from services.web.failures import said
from services.web.page import page
from services.web.visit import Visit

# After these, another try with the same identity is of no use.
FINAL = ("invalid-ticket", "identity-taken")
LINKED = "The identity is linked: from now on it signs you in."


async def choose(visit: Visit) -> Response:
    identity = find(visit, Unlinked)
    return _nothing(visit) if identity is None else await _choice(visit, identity)


async def _choice(
    visit: Visit,
    identity: Unlinked,
    status: int = 200,
    *,
    problem: str = "",
    new_problem: str = "",
    username: str | None = None,
) -> Response:
    """The page of the choice; who is signed in has none but to link."""
    me = None if visit.session is None else await visit.users.me(await visit.secret_token())
    return visit.render(
        "identities/new.html",
        status,
        identity=identity,
        me=me,
        problem=problem,
        new_problem=new_problem,
        username=identity.suggested_username if username is None else username,
    )


async def make_account(visit: Visit) -> Response:
    """Make an account of the identity, and sign in to it."""
    identity = find(visit, Unlinked)
    if identity is None:
        return _nothing(visit)
    if visit.session is not None:
        return visit.redirect(
            "/new-identity", "You are signed in: link it to your account, or sign out first."
        )
    username = visit.form.text("username")
    try:
        tokens = await visit.users.sign_up_by_identity(identity.ticket, username)
    except Unavailable:
        raise
    except Problem as error:
        if error.type in FINAL:
            return _over(visit, said(error))
        return await _choice(visit, identity, error.status, new_problem=said(error), username=username)
    drop(visit, Unlinked)
    await visit.enter(tokens)
    return visit.redirect(identity.next, "Welcome! Save your first link, or import what you have.")


async def link(visit: Visit) -> Response:
    """Link it to the account that is signed in, or to the one that the password opens."""
    identity = find(visit, Unlinked)
    if identity is None:
        return _nothing(visit)
    password = Secret(visit.form.secret("password"))
    if visit.session is None:
        return await _sign_in_and_link(visit, identity, password)
    try:
        token = await visit.secret_token()
        await visit.users.link_identity(token, identity.ticket, password if password else None)
    except (Unauthenticated, Unavailable):
        raise
    except Problem as error:
        if error.type in FINAL:
            return _over(visit, said(error))
        return await _choice(visit, identity, error.status, problem=said(error))
    return _over(visit, LINKED)


async def _sign_in_and_link(visit: Visit, identity: Unlinked, password: Secret) -> Response:
    try:
        tokens = await visit.users.sign_in(visit.form.text("username"), password)
    except Unavailable:
        raise
    except Problem as error:
        wrong = isinstance(error, Unauthenticated)
        sentence = "The username or the password is wrong." if wrong else said(error)
        return await _choice(visit, identity, 403 if wrong else error.status, problem=sentence)
    notice = LINKED
    try:
        # Opened by the password a moment ago, the session is proof enough.
        await visit.users.link_identity(tokens.access_token, identity.ticket)
    except Problem as error:
        notice = f"You are signed in, but the identity is not linked. {said(error)}"
    drop(visit, Unlinked)
    await visit.enter(tokens)
    return visit.redirect(identity.next, notice)


async def unlink(visit: Visit) -> Response:
    """Unlink one; the other sessions that it opened end, here too."""
    token = await visit.secret_token()
    before = await visit.users.list_sessions(token)
    try:
        # Perhaps it is unlinked already.
        with suppress(NotFound):
            await visit.users.unlink_identity(token, visit.request.path_params["identity_id"])
    except Conflict as error:
        return visit.redirect("/account", said(error))
    left = {session.id for session in await visit.users.list_sessions(token)}
    for session in before:
        if session.id not in left:
            await visit.deps.sessions.store.end_by_users_session(visit.user.user_id, session.id)
    return visit.redirect("/account", "The identity is unlinked.")


def _nothing(visit: Visit) -> Response:
    return _over(visit, "There is no identity to link any more. Sign in with the provider again.")


def _over(visit: Visit, notice: str) -> Response:
    drop(visit, Unlinked)
    return visit.redirect("/sign-in" if visit.session is None else "/account", notice)


ROUTES = [
    page("/new-identity", get=choose, public=True),
    page("/new-identity/account", get=choose, post=make_account, public=True),
    page("/new-identity/link", get=choose, post=link, public=True),
    page("/account/identities/{identity_id:int}/unlink", post=unlink),
]

"""Sign up, sign in, sign out, and the front page for who has not."""

from __future__ import annotations

from contextlib import suppress

from starlette.responses import Response

from services.kit.errors import Problem, Unauthenticated, Unavailable
from services.kit.settings import Secret
from services.web.elsewhere import UnderWay, Unlinked, drop, offered
from services.web.failures import said
from services.web.page import page
from services.web.visit import HOME, SESSION, THEME, THEMES, YEAR_S, Visit, local_path


async def front(visit: Visit) -> Response:
    """What this is; who is signed in goes on to the links."""
    if visit.session is not None:
        return visit.redirect(HOME)
    return visit.render("front.html")


async def sign_up_form(visit: Visit) -> Response:
    if visit.session is not None:
        return visit.redirect(HOME)
    return visit.render("sign_up.html", username="", email="", next=_next(visit), problem="")


async def sign_up(visit: Visit) -> Response:
    """Make the account and sign in."""
    username, email = visit.form.text("username"), visit.form.text("email")
    password = Secret(visit.form.secret("password"))
    try:
        await visit.users.sign_up(username, password, email or None)
    except Unavailable:
        raise
    except Problem as error:
        return visit.render(
            "sign_up.html",
            error.status,
            username=username,
            email=email,
            next=_next(visit),
            problem=said(error),
        )
    return await _enter(visit, username, password, "Welcome! Save your first link, or import what you have.")


async def sign_in_form(visit: Visit) -> Response:
    if visit.session is not None:
        return visit.redirect(_next(visit))
    return await _sign_in_page(visit)


async def _sign_in_page(visit: Visit, username: str = "", problem: str = "", status: int = 200) -> Response:
    providers = await offered(visit)
    return visit.render(
        "sign_in.html", status, username=username, next=_next(visit), problem=problem, providers=providers
    )


async def sign_in(visit: Visit) -> Response:
    username, password = visit.form.text("username"), Secret(visit.form.secret("password"))
    try:
        return await _enter(visit, username, password)
    except Unavailable:
        raise
    except Problem as error:
        sentence = (
            "The username or the password is wrong." if isinstance(error, Unauthenticated) else said(error)
        )
        status = 403 if isinstance(error, Unauthenticated) else error.status
        return await _sign_in_page(visit, username, sentence, status)


async def _enter(visit: Visit, username: str, password: Secret, notice: str = "") -> Response:
    await visit.enter(await visit.users.sign_in(username, password))
    # What somebody else began in this browser is not to end this session.
    drop(visit, UnderWay)
    return visit.redirect(_next(visit), notice)


async def sign_out(visit: Visit) -> Response:
    """End the session here and at the users service; without that one it ends here all the same."""
    if visit.session is not None:
        # There it is over already, or will be when nobody refreshes it any more.
        with suppress(Problem):
            await visit.users.sign_out(await visit.secret_token())
        await visit.deps.sessions.store.end(visit.session.stored.id_hash)
        visit.set_cookie(SESSION, "", 0)
        visit.session = None
    drop(visit, UnderWay)
    drop(visit, Unlinked)
    return visit.redirect("/", "You are signed out.")


async def choose_theme(visit: Visit) -> Response:
    """Light, dark, or as the device says."""
    theme = visit.form.text("theme")
    visit.set_cookie(THEME, theme if theme in THEMES else "", YEAR_S if theme in THEMES else 0)
    return visit.redirect(local_path(visit.form.text("next"), "/"))


def _next(visit: Visit) -> str:
    """Where to go afterwards: one of our own paths, whatever the address says."""
    form = visit.form if visit.request.method == "POST" else visit.query
    return local_path(form.text("next"))


ROUTES = [
    page("/", get=front, public=True),
    page("/sign-up", get=sign_up_form, post=sign_up, public=True),
    page("/sign-in", get=sign_in_form, post=sign_in, public=True),
    page("/sign-out", post=sign_out, public=True),
    page("/theme", post=choose_theme, public=True),
]

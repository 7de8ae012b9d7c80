"""One's account: password, sessions, API tokens, all data, the end of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import suppress

from starlette.responses import Response

from services.kit.errors import Forbidden, NotFound, Problem, Unauthenticated, Unavailable
from services.kit.serving.downloads import Download
from services.kit.settings import Secret
from services.users.client import NewApiToken, Scope
from services.web import archive
from services.web.elsewhere import offered
from services.web.failures import said
from services.web.page import page
from services.web.rendering import query
from services.web.visit import SESSION, Visit

# How long a token may last, as the form offers it.
LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "until I revoke it"}
PAGE_ENTRIES = 50
ARCHIVE_DEADLINE_S = 300.0


async def overview(visit: Visit) -> Response:
    return await _overview(visit)


async def _overview(visit: Visit, problem: str = "", status: int = 200) -> Response:
    return visit.render("account/index.html", status, problem=problem, **await _ways_in(visit))


async def _ways_in(visit: Visit) -> dict[str, object]:
    """The account and what signs in to it: `linked` are the providers that do, of all `providers`."""
    token = await visit.secret_token()
    me, identities, providers = await asyncio.gather(
        visit.users.me(token), visit.users.list_identities(token), offered(visit)
    )
    ids = {identity.provider for identity in identities}
    return {
        "me": me,
        "identities": identities,
        "providers": providers,
        "linked": [provider for provider in providers if provider.id in ids],
        "names": {provider.id: provider.name for provider in providers},
    }


async def change_password(visit: Visit) -> Response:
    """Change it, or set the first one; every other session ends, here too."""
    form = visit.form
    current, new = form.secret("current_password"), Secret(form.secret("new_password"))
    given = Secret(current) if current else None
    try:
        await visit.users.change_password(
            await visit.secret_token(), given, new, revoke_api_tokens=form.flag("revoke_api_tokens")
        )
    except (Unauthenticated, Unavailable):
        raise
    except Problem as error:
        return await _overview(visit, said(error), error.status)
    await visit.deps.sessions.store.end_others(visit.user.user_id, visit.user.stored.id_hash)
    done = "changed" if given else "set"
    return visit.redirect("/account", f"The password is {done}. Every other session has ended.")


async def delete_form(visit: Visit) -> Response:
    return await _delete_form(visit)


async def _delete_form(visit: Visit, problem: str = "", status: int = 200) -> Response:
    return visit.render("account/delete.html", status, problem=problem, **await _ways_in(visit))


async def delete(visit: Visit) -> Response:
    """The end: the account, its sessions, and with the events that follow everything else."""
    password = visit.form.secret("password")
    try:
        given = Secret(password) if password else None
        await visit.users.delete_account(await visit.secret_token(), given)
    except (Unauthenticated, Unavailable):
        raise
    except Problem as error:
        return await _delete_form(visit, said(error), error.status)
    await visit.deps.feeds.delete(visit.user.user_id)
    await visit.deps.sessions.store.end_all(visit.user.user_id)
    visit.set_cookie(SESSION, "", 0)
    visit.session = None
    return visit.redirect("/", "Your account is deleted. Goodbye, and thank you.")


async def sessions(visit: Visit) -> Response:
    found = await visit.users.list_sessions(await visit.secret_token())
    return visit.render("account/sessions.html", sessions=found)


async def activity(visit: Visit) -> Response:
    """What happened to the account, the newest first."""
    cursor = visit.query.text("cursor") or None
    found = await visit.users.list_audit(await visit.secret_token(), limit=PAGE_ENTRIES, cursor=cursor)
    return visit.render(
        "account/activity.html",
        entries=found.items,
        next=found.next and query("/account/activity", cursor=found.next),
    )


async def end_session(visit: Visit) -> Response:
    """End one of one's sessions; the pages forget it at once."""
    session_id: int = visit.request.path_params["session_id"]
    # Perhaps it has ended already.
    with suppress(NotFound):
        await visit.users.end_session(await visit.secret_token(), session_id)
    await visit.deps.sessions.store.end_by_users_session(visit.user.user_id, session_id)
    return visit.redirect("/account/sessions", "The session has ended.")


async def tokens(visit: Visit) -> Response:
    return await _tokens(visit)


async def _tokens(visit: Visit, created: str = "", problem: str = "", status: int = 200) -> Response:
    found = await visit.users.list_tokens(await visit.secret_token())
    return visit.render(
        "account/tokens.html", status, tokens=found, created=created, problem=problem, lifetimes=LIFETIMES
    )


async def create_token(visit: Visit) -> Response:
    """Make one; the answer is the only page that ever shows it."""
    form = visit.form
    scopes: list[Scope] = ["read", "write"] if form.text("scope") == "write" else ["read"]
    days = form.number("days")
    expires_at = None if days is None else dt.datetime.now(dt.UTC) + dt.timedelta(days=min(days, 3_650))
    try:
        made = await visit.users.create_token(
            await visit.secret_token(),
            NewApiToken(name=form.text("name")[:100] or "unnamed", scopes=scopes, expires_at=expires_at),
        )
    except (Unauthenticated, Unavailable, Forbidden):
        raise
    except Problem as error:
        return await _tokens(visit, problem=said(error), status=error.status)
    return await _tokens(visit, created=made.token.reveal())


async def revoke_token(visit: Visit) -> Response:
    token_id: int = visit.request.path_params["token_id"]
    # Perhaps it is revoked already.
    with suppress(NotFound):
        await visit.users.revoke_token(await visit.secret_token(), token_id)
    return visit.redirect("/account/tokens", "The token is revoked.")


async def everything(visit: Visit) -> Response:
    """All of one's data in one file; without a part of it there is none."""
    contents = await archive.collect(visit)
    return await Download(archive.stream(contents), archive.file_name(visit.user), "application/zip").begin()


ROUTES = [
    page("/account", get=overview),
    page("/account/password", get=overview, post=change_password),
    page("/account/delete", get=delete_form, post=delete),
    page("/account/activity", get=activity),
    page("/account/sessions", get=sessions),
    page("/account/sessions/{session_id:int}/end", post=end_session),
    page("/account/tokens", get=tokens, post=create_token),
    page("/account/tokens/{token_id:int}/revoke", post=revoke_token),
    page("/account/data.zip", get=everything, streamed=True, deadline_s=ARCHIVE_DEADLINE_S),
]

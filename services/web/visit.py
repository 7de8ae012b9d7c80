"""One request for a page: who asks, what it says, and what every answer to it carries."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.kit.errors import Forbidden
from services.kit.settings import Secret
from services.links.client import LinksClient
from services.social_graph.client import SocialGraphClient
from services.users.client import Tokens, UsersClient
from services.web import forms, rendering
from services.web.deps import Deps
from services.web.forms import Form
from services.web.sessions import Session, SessionEnded
from telemetry.traces import current_trace_id

SESSION, VISITOR, NOTICE, THEME = "__Host-session", "__Host-visitor", "__Host-notice", "__Host-theme"
FORM_TOKEN = "form_token"  # noqa: S105 - the field's name
HOME = "/links"
NOTICE_S = 60
YEAR_S = 365 * 86_400
THEMES = ("light", "dark")


class SignInNeeded(SessionEnded):
    """Nobody is signed in, and the page is somebody's own."""


@dataclass
class Visit:
    """What a page's handler works with; `session` is None for a stranger."""

    request: Request
    deps: Deps
    session: Session | None = None
    form: Form = field(default_factory=lambda: Form([]))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    _cookies: list[tuple[str, str, int]] = field(default_factory=list)

    async def identify(self) -> None:
        """Find the session that the cookie stands for."""
        self.session = await self.deps.sessions.find(self.request.cookies.get(SESSION))

    async def enter(self, tokens: Tokens) -> None:
        """Sign this browser in; the session before ends."""
        self.session = await self.deps.sessions.open(tokens, replaced=self.session)
        lasts_s = tokens.refresh_expires_in or tokens.expires_in
        self.set_cookie(SESSION, self.deps.sessions.cookie(self.session), lasts_s)

    @property
    def user(self) -> Session:
        """Who is signed in; raises SignInNeeded."""
        if self.session is None:
            raise SignInNeeded("sign in first")
        return self.session

    async def secret_token(self) -> Secret:
        """An access token of who is signed in; raises SignInNeeded, SessionEnded."""
        return await self.deps.sessions.access_token(self.user)

    async def token(self) -> str:
        return (await self.secret_token()).reveal()

    @cached_property
    def links(self) -> LinksClient:
        return self.deps.links(self.token)

    @cached_property
    def people(self) -> SocialGraphClient:
        return self.deps.people(self.token)

    @cached_property
    def users(self) -> UsersClient:
        """Calls in the name of this browser: its address is what attempts are counted by."""
        given = (self.request.headers.get(name) for name in ("x-forwarded-for", "user-agent"))
        address, user_agent = (None if value is None else _ascii(value) for value in given)
        return self.deps.users.on_behalf_of(address, user_agent or "a browser")

    @cached_property
    def query(self) -> Form:
        return forms.parse(self.request.url.query)

    @property
    def is_partial(self) -> bool:
        """Whether htmx asks for a part of a page."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and headers.get("hx-request-type") != "full"

    @property
    def here(self) -> str:
        """The path and query of this page, to come back to."""
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query else url.path

    @property
    def origin(self) -> str:
        """The address that people use, without a slash at the end."""
        if self.deps.settings.public_url:
            return self.deps.settings.public_url.rstrip("/")
        return f"https://{self.request.headers.get('host', 'localhost')}"

    @property
    def theme(self) -> str:
        chosen = self.request.cookies.get(THEME, "")
        return chosen if chosen in THEMES else ""

    # Forms

    @cached_property
    def form_token(self) -> str:
        """Bound to the session, or to a cookie of a visitor who has none; made when a page asks for it."""
        return self.deps.keys.form_token(self._holder)

    @cached_property
    def _holder(self) -> str:
        if self.session is not None:
            return f"session {self.session.id}"
        cookie = self.request.cookies.get(VISITOR, "")
        visitor = self.deps.keys.unsign("visitor", cookie)
        if visitor is None:
            visitor = secrets.token_urlsafe(16)
            self.set_cookie(VISITOR, self.deps.keys.sign("visitor", visitor), YEAR_S)
        return f"visitor {visitor}"

    def check_origin(self) -> None:
        """Raise Forbidden when the browser says that another site's page sent this."""
        site, origin = self.request.headers.get("sec-fetch-site"), self.request.headers.get("origin")
        if site is None:  # an older browser, or a program
            elsewhere = origin not in (None, self.origin)
        else:
            elsewhere = site.lower() in ("cross-site", "same-site")
        if elsewhere:
            raise Forbidden("the form was sent by another site")

    def check_form_token(self, shown: str) -> None:
        """Raise Forbidden unless the form came from a page of ours, made for this visitor."""
        if not self.deps.keys.is_form_token(self._holder, shown):
            raise Forbidden("the form is out of date: go back, load the page again, and send it once more")

    # Answers

    def render(self, template: str, status: int = 200, /, **values: object) -> Response:
        """A page, or a part of one."""
        text = rendering.render(template, visit=self, trace_id=current_trace_id(), **values)
        return Response(text, status, media_type="text/html")

    def redirect(self, path: str, notice: str = "") -> Response:
        """Lead on to one of our own paths, where `notice` is shown once."""
        if notice:
            self.set_cookie(NOTICE, self.deps.keys.sign("notice", quote(notice)), NOTICE_S)
        if self.request.headers.get("hx-request") == "true":
            return Response(headers={"hx-redirect": path})
        return RedirectResponse(path, status_code=303)

    @cached_property
    def notice(self) -> str:
        """What the page before has to say; shown once."""
        cookie = self.request.cookies.get(NOTICE)
        if cookie is None:
            return ""
        self.set_cookie(NOTICE, "", 0)
        return unquote(self.deps.keys.unsign("notice", cookie) or "")

    def set_cookie(self, name: str, value: str, max_age_s: int) -> None:
        self._cookies = [cookie for cookie in self._cookies if cookie[0] != name]
        self._cookies.append((name, value, max_age_s))

    def finish(self, response: Response) -> Response:
        """What every answer carries: cookies, and what a browser may do with it."""
        for name, value, max_age_s in self._cookies:
            response.set_cookie(
                name, value, max_age=max_age_s, path="/", secure=True, httponly=True, samesite="lax"
            )
        for name, value in _headers(self.nonce).items():
            response.headers.setdefault(name, value)
        return response


def _headers(nonce: str) -> dict[str, str]:
    policy = (
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return {
        "content-security-policy": "; ".join(policy),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "cache-control": "no-store",
        "vary": "cookie, hx-request",
    }


def _ascii(text: str) -> str:
    """As a header of a request of ours can hold it."""
    return text.encode("ascii", "replace").decode()


def local_path(text: str, otherwise: str = HOME) -> str:
    """`text` if it is a path of ours; anything that could lead elsewhere is not."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return otherwise
    if (
        not text.startswith("/")
        or text.startswith(("//", "/\\"))
        or parts.scheme
        or parts.netloc
        or "\\" in text
        or not text.isascii()
        or not text.isprintable()
    ):
        return otherwise
    return text

"""Who the load is: accounts that sign up and in once, each with links to begin with; tokens renewed in time.

Like journeys, `enter`, `come_back` and `renew` do no I/O: they yield requests and are sent the answers.
"""

from __future__ import annotations

import base64
import random
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from loadtest.exchange import Answer, Request, send

# An access token lives ten minutes; one with less time left is renewed before a journey begins.
RENEWED_BEFORE_S = 120.0
# Entering is no part of the load: it may take as long as a busy machine needs.
ENTER_TIMEOUT_S = 60.0
UNKNOWN = 401  # no such account, or another password


class NotLetIn(Exception):
    """Why there is no account, as a sentence without its password."""


@dataclass
class Account:
    """Somebody signed in. What it knows is secret: its text shows the name only."""

    username: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    api_token: str = field(default="", repr=False)
    renewing: bool = False
    importing: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """As a browser's or a phone's own client."""
        return {"authorization": f"Bearer {self.access_token}"}

    @property
    def program_headers(self) -> dict[str, str]:
        """As a program made for Pinboard."""
        shown = base64.b64encode(f"{self.username}:{self.api_token}".encode()).decode()
        return {"authorization": f"Basic {shown}"}

    def is_due(self, now: float) -> bool:
        """Whether `renew` is to be sent, by one at a time: a refresh token used twice ends its session."""
        return not self.renewing and self.expires_at - now < RENEWED_BEFORE_S


def enter(begin_with: str, clock: Callable[[], float] = time.time) -> Generator[Request, Answer, Account]:
    """Sign up, in, get a program's token and import the file to begin with. Raises NotLetIn."""
    credentials = {"username": f"load-{secrets.token_hex(6)}", "password": secrets.token_urlsafe(18)}
    yield from _must(send("sign up", "POST", "/api/v1/users", {}, credentials))
    session = yield from _must(send("sign in", "POST", "/api/v1/sessions", {}, credentials))
    account = Account(credentials["username"], "", "", 0.0)
    _keep(account, session, clock())
    token = {"name": "load", "scopes": ["read", "write"]}
    made = yield from _must(send("make a token", "POST", "/api/v1/tokens", account.headers, token))
    account.api_token = str(made.json().get("token", ""))
    headers = {**account.headers, "content-type": "text/html"}
    yield from _must(Request("begin with links", "PUT", "/api/v1/imports/begin", headers, begin_with))
    return account


def come_back(
    account: Account, password: str, begin_with: str, clock: Callable[[], float] = time.time
) -> Generator[Request, Answer, None]:
    """Sign in; whom nobody knows yet signs up first and imports the file to begin with. Raises NotLetIn."""
    credentials = {"username": account.username, "password": password}
    signing_in = send("sign in", "POST", "/api/v1/sessions", {}, credentials)
    answer = yield signing_in
    if answer.status != UNKNOWN:
        _must_be_ok(signing_in, answer)
        _keep(account, answer, clock())
        return
    yield from _must(send("sign up", "POST", "/api/v1/users", {}, credentials))
    _keep(account, (yield from _must(signing_in)), clock())
    headers = {**account.headers, "content-type": "text/html"}
    yield from _must(Request("begin with links", "PUT", "/api/v1/imports/begin", headers, begin_with))


def renew(account: Account, clock: Callable[[], float] = time.time) -> Generator[Request, Answer, None]:
    """Renew the access token. Raises NotLetIn."""
    account.renewing = True
    try:
        body = {"refresh_token": account.refresh_token}
        answer = yield from _must(send("renew", "POST", "/api/v1/sessions/refresh", {}, body))
        _keep(account, answer, clock())
    finally:
        account.renewing = False


def _must(request: Request) -> Generator[Request, Answer, Answer]:
    answer = yield request
    _must_be_ok(request, answer)
    return answer


def _must_be_ok(request: Request, answer: Answer) -> None:
    if not answer.ok:
        said = answer.json().get("detail") or ("no answer" if not answer.status else str(answer.status))
        raise NotLetIn(f"the load cannot {request.name}: {said}")


def _keep(account: Account, answer: Answer, now: float) -> None:
    tokens: Mapping[str, object] = answer.json()
    account.access_token = str(tokens.get("access_token", ""))
    account.refresh_token = str(tokens.get("refresh_token") or account.refresh_token)
    expires_in = tokens.get("expires_in")
    account.expires_at = now + (float(expires_in) if isinstance(expires_in, int | float) else 0.0)


def dice_of(seed: int, number: int) -> random.Random:
    """Chance for the sender with this number: the same for the same seed."""
    return random.Random(f"{seed} {number}")  # noqa: S311 - example data

"""How soon the pages notice what was ended elsewhere, and how seldom they ask."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import pytest

from services.kit.errors import Forbidden
from services.kit.settings import Secret
from services.web.private_feeds import KNOWN_S
from services.web.sign_ins import ASKED_EVERY_S, TRIED_EVERY_S, SignIns
from tests.integration.web.conftest import PASSWORD, Browser
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio

OTHER_PASSWORD = Secret("another walk along the river")


@pytest.fixture
def deps(stack: Stack) -> Any:
    """What the pages work with."""
    return stack.web.state.kit.running.deps


def later(part: Any, seconds: float) -> None:
    """Let `part` believe that so much time has passed."""
    part._now = lambda: time.monotonic() + seconds


def counted(users: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Grows with each call of a method of the users client."""
    calls: list[object] = []
    before = getattr(type(users), name)

    async def call(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return await before(self, *arguments, **named)

    monkeypatch.setattr(type(users), name, call)
    return calls


async def end_others(deps: Any, access: Secret) -> None:
    await deps.users.end_other_sessions(access)


async def change_password(deps: Any, access: Secret) -> None:
    await deps.users.change_password(access, Secret(PASSWORD), OTHER_PASSWORD)


async def delete_account(deps: Any, access: Secret) -> None:
    await deps.users.delete_account(access, Secret(PASSWORD))


@pytest.mark.parametrize("end", [end_others, change_password, delete_account])
@pytest.mark.parametrize("path", ["/links", "/account/feeds"])
async def test_what_is_ended_elsewhere_ends_at_the_pages(
    ann: Browser, deps: Any, end: Any, path: str
) -> None:
    elsewhere = await deps.users.sign_in(ann.name, Secret(PASSWORD))
    await end(deps, elsewhere.access_token)
    later(deps.sessions._sign_ins, ASKED_EVERY_S)
    assert (await ann.get(path)).url.path == "/sign-in"
    assert await deps.database.fetchval("SELECT count(*) FROM web_sessions") == 0


def test_a_sign_in_is_asked_about_within_a_minute() -> None:
    # A live stream looks every 15 s.
    assert ASKED_EVERY_S + 15 < 60 and KNOWN_S <= 30


async def test_pages_at_once_ask_once_and_not_again_for_a_while(
    ann: Browser, deps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(deps.users, monkeypatch, "is_open")
    await ann.get("/links")
    assert not asked  # the sign-in is new
    later(deps.sessions._sign_ins, ASKED_EVERY_S)
    pages = await asyncio.gather(*(ann.get("/links") for _ in range(12)))
    assert {page.url.path for page in pages} == {"/links"}
    assert len(asked) == 1


async def test_without_an_answer_a_session_goes_on_for_moments(
    ann: Browser, deps: Any, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(deps.users, monkeypatch, "is_open")
    sign_ins: SignIns = deps.sessions._sign_ins
    stack.switched_off.add("users")
    later(sign_ins, ASKED_EVERY_S)
    assert [(await ann.get("/links")).url.path for _ in range(3)] == ["/links"] * 3
    assert len(asked) == 1 and sign_ins._unanswered._value.get() == 1
    stack.switched_off.clear()
    await stack.users.state.kit.running.database.execute("DELETE FROM sessions")
    later(sign_ins, ASKED_EVERY_S + TRIED_EVERY_S + 1)
    assert (await ann.get("/links")).url.path == "/sign-in"


async def test_a_refusal_that_is_not_from_users_ends_nothing(
    ann: Browser, deps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise Forbidden("RBAC: access denied")

    monkeypatch.setattr(type(deps.users), "list_sessions", refused)
    later(deps.sessions._sign_ins, ASKED_EVERY_S)
    assert (await ann.get("/links")).url.path == "/links"


async def test_a_private_feed_ends_with_its_token_and_asks_once(
    ann: Browser, stranger: Browser, deps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await ann.post("/account/feeds", {"action": "renew"})
    found = re.search(r"/feeds/private/[^/]+/links\.atom", page.text)
    assert found, page.text
    exchanged = counted(deps.users, monkeypatch, "exchange_token")
    feeds = await asyncio.gather(*(stranger.get(found[0]) for _ in range(8)))
    assert {feed.status_code for feed in feeds} == {200} and len(exchanged) == 1
    access = (await deps.users.sign_in(ann.name, Secret(PASSWORD))).access_token
    for token in await deps.users.list_tokens(access):
        await deps.users.revoke_token(access, token.id)
    later(deps.private_feeds, KNOWN_S)
    assert (await stranger.get(found[0])).status_code == 404

"""Who has only just signed up: asked for at the users service, which may be away, slow, or say no."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest
from starlette.applications import Starlette

from services.kit.settings import Secret
from services.social_graph import accounts
from services.social_graph.app import create
from services.social_graph.settings import SocialGraphSettings
from tests.integration.social_graph.conftest import SERVICE_TOKEN, Meet, Query

pytestmark = pytest.mark.anyio

PATH = "/internal/v1/users/by-name/"


@dataclass
class Users:
    """The users service on loopback: who there is, how it answers, and what it was asked."""

    accounts: dict[str, int] = field(default_factory=dict)
    status: int = 200
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    # Cleared, it does not answer.
    answers: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def answer(self, name: str) -> tuple[int, object]:
        self.answers.wait(60)
        if self.status != 200:
            return self.status, {"title": "No"}
        if name not in self.accounts:
            return 404, {"title": "Not found"}
        made = {"user_id": self.accounts[name], "username": name, "created_at": "2026-01-01T00:00:00Z"}
        return 200, {**made, "a_newer_field": 1}


@pytest.fixture
def users() -> Iterator[Users]:
    users = Users()
    users.answers.set()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix(PATH)
            users.asked.append((name, self.headers["x-service-token"]))
            status, body = users.answer(name)
            content = msgspec.json.encode(body)
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        users.url = f"http://127.0.0.1:{server.server_port}"
        yield users
        users.answers.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine is no users service that hangs."""
    monkeypatch.setattr(accounts, "ANSWERED_WITHIN_S", 30.0)
    monkeypatch.setattr(accounts, "PLACE_WITHIN_S", 30.0)


@pytest.fixture
async def app(settings: SocialGraphSettings, users: Users) -> AsyncIterator[Starlette]:
    app = create(msgspec.structs.replace(settings, users_url=users.url))
    async with app.router.lifespan_context(app):
        yield app


def failures(app: Starlette) -> float | None:
    found: float | None = app.state.kit.registry.get_sample_value("social_graph_account_failures_total")
    return found


async def test_who_has_only_just_signed_up_is_found_and_then_known(meet: Meet, users: Users) -> None:
    ann = await meet("ann")
    users.accounts["bob"] = 99
    assert await ann.put("following/Bob") == 204
    assert (await ann.get("people/bob"))["user_id"] == 99
    assert users.asked == [("bob", SERVICE_TOKEN)]
    assert await ann.put("following/eve") == 404


async def test_nobody_is_asked_for_a_name_that_cannot_be(meet: Meet, users: Users) -> None:
    ann = await meet("ann")
    for name in ("x", "..%2F..%2Fkeys", "bob%3Fa=b", "bob%00"):
        assert (await ann.http.put(f"following/{name}")).status_code in (400, 404)
    assert users.asked == []


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_nobody_is_called_unknown_while_that_cannot_be_said(
    app: Starlette, meet: Meet, users: Users, status: int
) -> None:
    ann = await meet("ann")
    users.status = status
    answer = await ann.http.put("following/bob")
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert failures(app) == 1
    assert await ann.names("following") == []


async def test_a_users_service_that_hangs_holds_up_a_few_requests_only(
    app: Starlette, meet: Meet, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "ANSWERED_WITHIN_S", 1.0)
    monkeypatch.setattr(accounts, "PLACE_WITHIN_S", 0.05)
    people = [await meet(f"person-{number}") for number in range(8)]
    await people[0].put("following/person-1")
    users.answers.clear()
    asking = [asyncio.create_task(one.put("following/nobody")) for one in people]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    assert len(users.asked) <= 4
    assert await people[0].names("following") == ["person-1"]
    assert await asyncio.gather(*asking) == [503] * 8
    users.answers.set()
    monkeypatch.setattr(accounts, "ANSWERED_WITHIN_S", 30.0)
    assert await people[0].put("following/nobody") == 404


async def test_many_who_have_only_just_signed_up_wait_for_each_other(meet: Meet, users: Users) -> None:
    ann = await meet("ann")
    users.accounts = {f"new-{number}": 100 + number for number in range(20)}
    answers = await asyncio.gather(*(ann.http.get(f"people/{name}") for name in users.accounts))
    assert {answer.status_code for answer in answers} == {200}
    found = [(await ann.get(f"people/{name}"))["user_id"] for name in users.accounts]
    assert found == list(users.accounts.values())


async def test_an_answer_that_was_late_revives_nobody(meet: Meet, users: Users, app: Starlette) -> None:
    ann = await meet("ann")
    users.accounts["bob"] = 99
    await app.state.kit.running.deps.directory.people.remove(99)
    assert await ann.put("following/bob") == 404


async def test_without_an_address_nobody_is_asked(
    settings: SocialGraphSettings, meet: Meet, users: Users, query: Query
) -> None:
    assert (settings.users_url, settings.service_token) == ("", Secret(SERVICE_TOKEN))
    alone = create(settings)
    async with alone.router.lifespan_context(alone):
        assert await alone.state.kit.running.deps.directory.accounts.by_name("bob") is None
    assert users.asked == []

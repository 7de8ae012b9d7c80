"""Programs of other bookmark services, which speak to the real web service over real users and links."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.conftest import MigratedDatabase
from tests.web_stack import Stack, running

PASSWORD = "a long walk by the sea"


@dataclass
class Person:
    """Somebody with an account and a personal API token that may write."""

    web: httpx.AsyncClient
    users: httpx.AsyncClient
    links: httpx.AsyncClient
    name: str
    id: int
    access_token: str
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def new_token(self, *scopes: str) -> str:
        answer = await self.users.post(
            "/api/v1/tokens",
            json={"name": secrets.token_hex(4), "scopes": list(scopes)},
            headers={"authorization": f"Bearer {self.access_token}"},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def pinboard(self, method: str, **parameters: Any) -> Any:
        """The JSON answer of a call in Pinboard's way."""
        given = {"auth_token": f"{self.name}:{self.token}", "format": "json", **parameters}
        answer = await self.web.get(f"/v1/{method}", params=given)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/json; charset=utf-8"
        return answer.json()

    async def pinboard_xml(self, method: str, **parameters: Any) -> str:
        given = {"auth_token": f"{self.name}:{self.token}", **parameters}
        answer = await self.web.get(f"/v1/{method}", params=given)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        return answer.text

    async def linkding(self, method: str, path: str, status: int = 200, **arguments: Any) -> Any:
        """The JSON answer of a call in linkding's way."""
        answer = await self.web.request(
            method, f"/api/{path}", headers={"authorization": f"Token {self.token}"}, **arguments
        )
        assert answer.status_code == status, (answer.status_code, answer.text)
        if status == 204:
            assert answer.content == b""
            assert "content-type" not in answer.headers
            return None
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    async def native(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON answer of the links service itself."""
        headers = {"authorization": f"Bearer {self.access_token}"}
        answer = await self.links.request(method, f"/api/v1/{path}", headers=headers, **arguments)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def basic(self, secret: str) -> dict[str, str]:
        encoded = base64.b64encode(f"{self.name}:{secret}".encode()).decode()
        return {"authorization": f"Basic {encoded}"}


NewPerson = Callable[[], Awaitable[Person]]


@pytest.fixture
async def stack(migrated_database: MigratedDatabase) -> AsyncIterator[Stack]:
    async with running(migrated_database) as made:
        yield made


@pytest.fixture
def no_time_passes(stack: Stack) -> None:
    """For the buckets of callers, which fill again by the second: how long a burst takes is the machine's."""
    stack.web.state.kit.running.deps.limits._now = lambda: 0.0


@pytest.fixture
async def web(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A program that shows nothing yet."""
    transport = httpx.ASGITransport(stack.web, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://web.example") as client:
        yield client


@pytest.fixture
async def new_person(stack: Stack, web: httpx.AsyncClient) -> AsyncIterator[NewPerson]:
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(stack.users), base_url="http://users") as users,
        httpx.AsyncClient(transport=httpx.ASGITransport(stack.links), base_url="http://links") as links,
    ):

        async def make() -> Person:
            name = f"user-{secrets.token_hex(4)}"
            credentials = {"username": name, "password": PASSWORD}
            made = await users.post("/api/v1/users", json=credentials)
            assert made.status_code == 201, made.text
            session = await users.post("/api/v1/sessions", json=credentials)
            person = Person(web, users, links, name, made.json()["id"], session.json()["access_token"])
            person.token = await person.new_token("read", "write")
            return person

        yield make


@pytest.fixture
async def ann(new_person: NewPerson) -> Person:
    return await new_person()


@pytest.fixture
async def bob(new_person: NewPerson) -> Person:
    return await new_person()

"""The pages over real users and links, visited by browsers that keep cookies."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import MigratedDatabase
from tests.web_stack import Stack, running

PASSWORD = "a long walk by the sea"
ORIGIN = "https://pages.example"


@dataclass
class Browser:
    """A person without JavaScript: follows links, fills in forms, keeps cookies."""

    http: httpx.AsyncClient
    name: str = ""

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    async def token(self, path: str = "/sign-in") -> str:
        """The form token of a page."""
        page = await self.http.get(path)
        found = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert found, page.text
        return found[1]

    async def post(
        self,
        path: str,
        fields: Mapping[str, object],
        *,
        page: str = "/account/feeds",
        follow: bool = True,
        **headers: str,
    ) -> httpx.Response:
        """Send a form with the token of `page`."""
        sent = {"form_token": await self.token(page), **fields}
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.http.post(path, data=sent, headers=named, follow_redirects=follow)

    async def sign_up(self, name: str | None = None) -> Browser:
        self.name = name or f"user-{secrets.token_hex(4)}"
        answer = await self.post(
            "/sign-up", {"username": self.name, "password": PASSWORD, "email": ""}, page="/sign-up"
        )
        assert answer.status_code == 200, answer.text
        return self

    async def save(self, url: str, **fields: object) -> None:
        answer = await self.post("/save", {"url": url, "title": "", "tags": "", **fields}, page="/save")
        assert answer.status_code == 200, answer.text

    async def link_id(self, url: str) -> int:
        """The id of a link of one's own, as the list shows it."""
        page = (await self.get("/links")).text
        at = page.index(html.escape(url))
        found = re.findall(r'id="link-(\d+)"', page[:at])
        return int(found[-1])


@pytest.fixture
def accounts() -> dict[str, Any]:
    """Settings of the users service, for tests that need others."""
    return {}


@pytest.fixture
async def stack(migrated_database: MigratedDatabase, accounts: dict[str, Any]) -> AsyncIterator[Stack]:
    async with running(migrated_database, **accounts) as made:
        yield made


NewBrowser = Callable[[], Browser]


@pytest.fixture
async def new_browser(stack: Stack) -> AsyncIterator[NewBrowser]:
    clients: list[httpx.AsyncClient] = []

    def make() -> Browser:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(stack.web), base_url=ORIGIN, follow_redirects=True
        )
        clients.append(client)
        return Browser(client)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def stranger(new_browser: NewBrowser) -> Browser:
    """Somebody who is not signed in."""
    return new_browser()


@pytest.fixture
async def ann(new_browser: NewBrowser) -> Browser:
    """Somebody who has just signed up."""
    return await new_browser().sign_up()

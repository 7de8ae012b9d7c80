"""A real Chromium before the pages: the whole stack in this process, screenshots kept as artefacts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.chromium import ARGUMENTS, CHROMIUM, MISSING, PATIENCE_MS
from tests.conftest import MigratedDatabase
from tests.web_stack import Stack, running, serving

PASSWORD = "a long walk by the sea"
# A context's patience is for what is done, not for what is expected: that had five seconds.
expect.set_options(timeout=PATIENCE_MS)
SIZES = {"desktop": (1280, 860), "phone": (360, 740)}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return ("asyncio", {"use_uvloop": False})


@pytest.fixture(params=list(SIZES))
def size(request: pytest.FixtureRequest) -> str:
    """Each journey happens on a desk and on a phone."""
    name: str = request.param
    return name


@dataclass
class Screen:
    """A window of somebody's browser; `problems` is what its console complained of."""

    page: Page
    url: str
    size: str
    folder: Path
    problems: list[str]

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def sign_up(self, name: str) -> None:
        await self.open("/sign-up")
        await self.page.get_by_label("Username").fill(name)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Make the account").click()
        await self.page.get_by_text("Welcome!").wait_for()

    async def save(self, url: str, title: str, tags: str = "", note: str = "") -> None:
        await self.open("/save")
        await self.page.get_by_label("Address").fill(url)
        async with self.page.expect_response(lambda answer: "/save?" in answer.url):
            await self.page.get_by_label("Title").click()
        await self.page.get_by_label("Title").fill(title)
        await self.page.get_by_label("Tags", exact=False).first.fill(tags)
        await self.page.get_by_label("Note").fill(note)
        await self.page.get_by_role("button", name="Save", exact=True).click()
        await self.page.get_by_text("Saved.").wait_for()

    async def shot(self, name: str) -> None:
        await self.page.screenshot(path=self.folder / f"{name}-{self.size}.png", full_page=True)

    async def check(self, name: str) -> None:
        """A screenshot, no violation that axe-core knows, nothing wider than the window."""
        await self.shot(name)
        found = await Axe().run(self.page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        wide = await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{name} is {wide} px wider than the window"
        assert not self.problems, f"{name}: {self.problems}"


@pytest.fixture
def listener() -> socket.socket:
    """Where the pages will listen."""
    return socket.create_server(("127.0.0.1", 0))


@pytest.fixture
def accounts() -> dict[str, Any]:
    """Settings of the users service, for tests that need others."""
    return {}


@pytest.fixture
async def stack(migrated_database: MigratedDatabase, accounts: dict[str, Any]) -> AsyncIterator[Stack]:
    async with running(migrated_database, **accounts) as made:
        yield made


@pytest.fixture
async def pages_url(stack: Stack, listener: socket.socket) -> AsyncIterator[str]:
    """Where the pages are: a browser takes localhost for safe, Secure cookies included."""
    async with serving(stack.web, listener):
        yield f"http://localhost:{listener.getsockname()[1]}"


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def context(chromium: Browser, size: str) -> AsyncIterator[BrowserContext]:
    width, height = SIZES[size]
    made = await chromium.new_context(
        viewport={"width": width, "height": height},
        has_touch=size == "phone",
        reduced_motion="reduce",
        locale="en-GB",
    )
    made.set_default_timeout(PATIENCE_MS)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def artefacts(repository: Path) -> Path:
    """Where screenshots are kept; not in the repository."""
    folder = repository / ".artefacts" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
async def screen(context: BrowserContext, pages_url: str, size: str, artefacts: Path) -> Screen:
    page = await context.new_page()
    problems: list[str] = []
    listen(page, problems)
    return Screen(page, pages_url, size, artefacts, problems)


def listen(page: Page, problems: list[str]) -> None:
    """Note what the page's console complains of; a status that a test asks for is none."""
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and "status of" not in message.text
            else None
        ),
    )


async def settle(page: Page) -> None:
    await page.wait_for_load_state("networkidle")
    await asyncio.sleep(0)

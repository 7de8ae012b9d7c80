"""Every page: axe-core finds no violation, nothing is wider than a phone, the console is silent."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Screen
from tests.web_stack import Stack

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

NOTES = (
    "A friendly introduction that stays correct: generators, decorators and everything that people get wrong "
    "in their first year.",
    "",
    "Why a mesh wants mutual TLS even on a laptop.",
)
LINKS = (
    ("https://docs.python.org/3/tutorial/", "The Python Tutorial", "python docs learning", NOTES[0]),
    (
        "https://istio.io/latest/docs/concepts/traffic-management/",
        "Traffic management",
        "mesh istio docs",
        NOTES[2],
    ),
    (
        "https://www.postgresql.org/docs/current/indexes.html",
        "PostgreSQL: Indexes",
        "postgresql performance",
        "",
    ),
    (
        "https://www.rfc-editor.org/rfc/rfc9457",
        "RFC 9457: Problem Details for HTTP APIs",
        "rfc http api",
        NOTES[1],
    ),
)


async def test_pages_of_a_stranger(screen: Screen) -> None:
    for path, name in (("/", "front"), ("/sign-up", "sign-up"), ("/sign-in", "sign-in"), ("/docs", "docs")):
        await screen.open(path)
        await screen.check(name)
    await screen.open("/nowhere")
    await screen.check("nothing-here")


async def test_pages_of_somebody(screen: Screen, stack: Stack) -> None:
    await screen.sign_up("ada")
    await screen.check("links-empty")
    for url, title, tags, note in LINKS:
        await screen.save(url, title, tags, note)
    stack.stand.following |= {"grace", "linus"}
    stack.stand.suggestions += ["barbara", "donald", "edsger"]
    for path, name in (
        ("/links", "links"),
        ("/links?select=1", "links-selecting"),
        ("/links?q=python", "links-search"),
        ("/save?url=https://example.org/", "save"),
        ("/save?popup=1&url=https://example.org/&title=A%20page", "save-popup"),
        ("/tags", "tags"),
        ("/tags/python", "tag"),
        ("/people", "people"),
        ("/people/ada", "profile"),
        ("/news", "news-away"),
        ("/dead-links", "dead-links-none"),
        ("/import", "import"),
        ("/export", "export"),
        ("/account", "account"),
        ("/account/activity", "activity"),
        ("/account/sessions", "sessions"),
        ("/account/tokens", "tokens"),
        ("/account/feeds", "feeds"),
        ("/account/delete", "delete"),
        ("/bookmarklet", "bookmarklet"),
    ):
        await screen.open(path)
        await screen.check(name)


async def test_pages_in_the_dark(screen: Screen) -> None:
    await screen.sign_up("ada")
    for url, title, tags, note in LINKS:
        await screen.save(url, title, tags, note)
    await screen.page.get_by_role("button", name="dark", exact=True).click()
    await screen.page.wait_for_selector("html[data-theme=dark]")
    for path, name in (
        ("/links", "dark-links"),
        ("/save", "dark-save"),
        ("/tags", "dark-tags"),
        ("/account/tokens", "dark-tokens"),
    ):
        await screen.open(path)
        await screen.check(name)

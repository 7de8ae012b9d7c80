"""Every page: axe-core finds no violation, nothing is wider than a phone, the console is silent."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

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
        ("/tags/nosuchtag", "tag-none"),
        ("/people", "people"),
        ("/people?list=blocks", "people-none"),
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
        ("/links?q=python+or+introduction+or+tag:rfc", "dark-search"),
        ("/save", "dark-save"),
        ("/tags", "dark-tags"),
        ("/account/tokens", "dark-tokens"),
    ):
        await screen.open(path)
        await screen.check(name)
    # Title, note and tags: each is another colour on the mark's.
    await screen.open("/links?q=python+or+introduction+or+tag:rfc")
    for place in ("h2", ".note", ".tag"):
        await expect(screen.page.locator(f"{place} mark").first).to_be_visible()


async def test_the_tabs_of_the_account_stand_in_one_row(screen: Screen) -> None:
    await screen.sign_up("ada")
    await screen.open("/account/feeds")
    tabs = screen.page.get_by_role("navigation", name="Account")
    boxes = [await tab.bounding_box() for tab in await tabs.get_by_role("link").all()]
    assert len({box["y"] for box in boxes if box}) == 1
    hidden = await tabs.get_by_role("list").evaluate("list => list.scrollWidth - list.clientWidth")
    assert hidden == 0, "all of them are in sight"


async def test_a_long_tag_leaves_its_checkbox_as_it_is(screen: Screen) -> None:
    await screen.sign_up("ada")
    await screen.save("https://example.org/", "One", "short " + "very-long-" * 10)
    await screen.open("/tags")
    boxes = [await box.bounding_box() for box in await screen.page.get_by_role("checkbox").all()]
    assert len({box["width"] for box in boxes if box}) == 1
    await screen.check("tags-long")

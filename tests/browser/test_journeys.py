"""What people do in a browser: search while typing, edit in place, import with progress, live news."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.async_api import expect

from services.kit.page import Page
from services.web.news import NewsItem
from tests.browser.conftest import Screen
from tests.web_stack import Stack

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(300),
    pytest.mark.parametrize(
        "size", ["desktop", pytest.param("phone", marks=pytest.mark.slow)], indirect=True
    ),
]


@dataclass
class FakeNews:
    """News that a test tells."""

    items: list[NewsItem] = field(default_factory=list)
    coming: asyncio.Queue[NewsItem] = field(default_factory=asyncio.Queue)
    watched: asyncio.Event = field(default_factory=asyncio.Event)

    async def page(self, token: str, *, limit: int = 20, cursor: str | None = None) -> Page[NewsItem]:
        return Page(items=self.items[:limit])

    async def watch(self, token: str, *, after: str | None = None) -> AsyncGenerator[NewsItem, None]:
        self.watched.set()
        while True:
            yield await self.coming.get()


def news_item(link_id: int, title: str) -> NewsItem:
    return NewsItem(
        link_id=link_id,
        owner_id=7,
        username="grace",
        url=f"https://example.org/{link_id}",
        title=title,
        note="",
        tags=["compilers"],
        saved_at=dt.datetime.now(dt.UTC),
    )


@pytest.fixture
def news(stack: Stack) -> FakeNews:
    fake = FakeNews()
    running = stack.web.state.kit.running
    running.deps = replace(running.deps, news=fake)
    return fake


async def test_a_search_answers_while_it_is_typed(screen: Screen) -> None:
    await screen.sign_up("ada")
    for number in range(3):
        await screen.save(f"https://example.org/{number}", f"Alpha number {number}")
    await screen.save("https://example.org/beta", "Something else")
    page = screen.page
    await page.get_by_role("searchbox").press_sequentially("someth*")
    await expect(page.locator(".link")).to_have_count(1)
    await expect(page.locator("mark")).to_have_text("Something")
    await page.wait_for_url("**/links?*q=someth*")
    await screen.check("journey-search")
    await page.reload()
    await expect(page.locator(".link")).to_have_count(1)


async def test_a_link_is_edited_and_deleted_in_its_place_by_keyboard(screen: Screen) -> None:
    await screen.sign_up("ada")
    await screen.save("https://example.org/a", "Befroe")
    page = screen.page
    await page.get_by_role("link", name="Edit Befroe").focus()
    await page.keyboard.press("Enter")
    address = page.get_by_label("Address")
    await expect(address).to_be_focused()
    await screen.check("journey-edit")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("After")
    await page.keyboard.press("Enter")
    await expect(page.locator(".link h2")).to_have_text("After")
    assert page.url.endswith("/links"), "the page stayed"
    await page.get_by_role("link", name="Delete After").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Delete")).to_be_focused()
    await screen.check("journey-delete")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Deleted.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("Nothing saved yet")).to_be_visible()


async def test_the_save_form_fills_itself_in(screen: Screen, stack: Stack) -> None:
    stack.stand.titles["https://example.org/python"] = "All about Python"
    await screen.sign_up("ada")
    await screen.save("https://example.net/", "Other", tags="python")
    page = screen.page
    await screen.open("/save")
    await page.get_by_label("Address").fill("https://example.org/python")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Title")).to_have_value("All about Python")
    await page.get_by_label("python", exact=True).check()
    await screen.check("journey-suggestions")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_text("Saved.").wait_for()
    await expect(page.locator(".link").first.locator(".tag")).to_have_text("#python")


async def test_an_import_shows_its_progress_and_its_report(screen: Screen, repository: Path) -> None:
    await screen.sign_up("ada")
    page = screen.page
    await screen.open("/import")
    file = repository / "tests" / "data" / "bookmarks" / "firefox.html"
    await page.get_by_label("Bookmark file").set_input_files(file)
    await page.get_by_role("button", name="Import", exact=True).click()
    await page.get_by_text("8 added").wait_for()
    await screen.check("journey-imported")


async def test_a_file_that_is_none_is_refused_and_another_one_can_be_sent(
    screen: Screen, repository: Path, tmp_path: Path
) -> None:
    await screen.sign_up("ada")
    page = screen.page
    await screen.open("/import")
    wrong = tmp_path / "picture.html"
    wrong.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    await page.get_by_label("Bookmark file").set_input_files(wrong)
    button = page.get_by_role("button", name="Import", exact=True)
    await button.click()
    await expect(page.locator("#import-told")).not_to_be_empty()
    await expect(button).to_be_enabled()
    right = repository / "tests" / "data" / "bookmarks" / "firefox.html"
    await page.get_by_label("Bookmark file").set_input_files(right)
    await button.click()
    await page.get_by_text("8 added").wait_for()


async def test_news_arrive_by_themselves(screen: Screen, news: FakeNews) -> None:
    news.items.append(news_item(1, "Known before"))
    await screen.sign_up("ada")
    await screen.open("/news")
    await news.watched.wait()
    news.coming.put_nowait(news_item(2, "<b>Brand new</b>"))
    page = screen.page
    await expect(page.locator(".link h2").first).to_have_text("<b>Brand new</b>")
    await expect(page.get_by_text("One new link above.")).to_be_attached()
    news.coming.put_nowait(news_item(2, "<b>Brand new</b>"))
    news.coming.put_nowait(news_item(3, "Newer still"))
    await expect(page.locator(".link h2").first).to_have_text("Newer still")
    await expect(page.locator(".link")).to_have_count(3)
    await screen.check("journey-news")


async def test_several_links_are_ticked_at_once(screen: Screen) -> None:
    await screen.sign_up("ada")
    for number in range(3):
        await screen.save(f"https://example.org/{number}", f"Number {number}")
    page = screen.page
    await page.get_by_role("link", name="Select several").click()
    await page.get_by_role("button", name="Tick all").click()
    await page.get_by_placeholder("tags").fill("later")
    await page.get_by_role("button", name="Add tags").click()
    await page.get_by_text("3 links are changed.").wait_for()
    await expect(page.get_by_role("link", name="#later")).to_have_count(3)


async def test_tags_are_merged_once_some_are_ticked(screen: Screen) -> None:
    await screen.sign_up("ada")
    await screen.save("https://example.org/", "One", "py python")
    page = screen.page
    await screen.open("/tags")
    into = page.get_by_label("Merge the ticked ones into")
    await expect(into).to_be_hidden()
    await page.get_by_label("Select py", exact=True).check()
    await into.fill("python")
    await screen.check("journey-tags-ticked")
    await page.get_by_role("button", name="Merge").click()
    await page.get_by_text("1 link has the tag “python” now.").wait_for()


async def test_addresses_and_tokens_are_in_sight_and_copied_at_once(screen: Screen) -> None:
    await screen.sign_up("ada")
    page = screen.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await screen.open("/account/feeds")
    await page.get_by_role("button", name="Make private feeds").click()
    address = page.get_by_label("All your links", exact=True)
    await page.get_by_role("button", name="Copy: All your links").click()
    assert await page.evaluate("navigator.clipboard.readText()") == await address.input_value()
    assert await address.evaluate("box => box.scrollHeight <= box.clientHeight"), "nothing is cut off"
    await screen.check("journey-feeds")
    await screen.open("/account/tokens")
    await page.get_by_label("What is it for?").fill("phone")
    await page.get_by_role("button", name="Make the token").click()
    token = page.get_by_label("The token", exact=True)
    assert await token.evaluate("box => box.scrollHeight <= box.clientHeight"), "nothing is cut off"
    await screen.check("journey-token")


async def test_what_is_about_to_be_deleted_is_named(screen: Screen) -> None:
    await screen.sign_up("ada")
    for number in range(7):
        await screen.save(f"https://example.org/{number}", f"Number {number}")
    page = screen.page
    await screen.open("/links?select=1")
    await page.get_by_role("button", name="Tick all").click()
    await page.get_by_role("button", name="Delete").last.click()
    await page.get_by_role("heading", name="Delete 7 links?").wait_for()
    named = page.get_by_role("main").get_by_role("listitem")
    told = ["Number 6", "Number 5", "Number 4", "Number 3", "Number 2", "and 2 more"]
    await expect(named).to_have_text(told)
    await screen.check("journey-bulk-delete")


async def test_dead_links_get_the_addresses_that_are_suggested(screen: Screen, stack: Stack) -> None:
    await screen.sign_up("ada")
    for number in range(2):
        await screen.save(f"https://example.org/{number}", f"Number {number}")
    await stack.links.state.kit.running.database.execute(
        "UPDATE links SET health = 'dead', health_reason = 'not-found',"
        " suggested_url = CASE WHEN url LIKE '%0' THEN 'https://example.net/moved' END"
    )
    page = screen.page
    await screen.open("/dead-links")
    await expect(page.get_by_role("heading", level=1)).to_have_text("2 of your links are dead")
    copy = page.get_by_role("link", name="Look for a copy of Number 1 in the Internet Archive")
    await expect(copy).to_have_attribute("href", "https://web.archive.org/web/https://example.org/1")
    await screen.check("journey-dead-links")
    await page.get_by_role("button", name="Replace the ticked addresses").click()
    await page.get_by_text("1 link has a new address.").wait_for()
    await screen.open("/links")
    await expect(page.locator('a[href="https://example.net/moved"]')).to_be_visible()


async def test_the_small_window_saves_and_closes(screen: Screen) -> None:
    await screen.sign_up("ada")
    page = screen.page
    async with page.expect_popup() as opened:
        await page.evaluate(
            "void window.open('/save?popup=1&url=https://example.org/&title=From%20a%20page')"
        )
    popup = await opened.value
    await popup.get_by_role("button", name="Save", exact=True).click()
    await popup.get_by_role("heading", name="Saved").wait_for()
    if not popup.is_closed():
        await popup.wait_for_event("close")
    await screen.open("/links")
    await expect(page.get_by_text("From a page")).to_be_visible()


async def test_the_keyboard_reaches_everything(screen: Screen) -> None:
    await screen.sign_up("ada")
    page = screen.page
    await screen.open("/tags")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    menu = page.locator("details.menu")
    await menu.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Dead links")).to_be_visible()
    await screen.shot("journey-menu")
    await page.keyboard.press("Escape")
    await expect(menu.locator("summary")).to_be_focused()
    await expect(page.get_by_role("link", name="Dead links")).to_be_hidden()
    await screen.open("/links")
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()


async def test_a_planted_fault_is_found(screen: Screen) -> None:
    await screen.open("/")
    await page_with_fault(screen)
    with pytest.raises(AssertionError, match="image-alt"):
        await screen.check("planted")


async def page_with_fault(screen: Screen) -> None:
    await screen.page.evaluate("document.querySelector('main').append(document.createElement('img'))")

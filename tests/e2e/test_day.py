"""A day in the life: two people, a bookmark file, news in a browser within a second, a link that dies.

The README's tour shows the same by commands; here one of the two sits before a real Chromium.
"""

from __future__ import annotations

import logging
import re
import secrets
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.chromium import ARGUMENTS, CHROMIUM, MISSING, PATIENCE_MS
from tests.e2e.installation import PASSWORD, Installation, eventually
from tests.e2e.stranger import Stranger

log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows how long news took

pytestmark = pytest.mark.timeout(300)
# A context has patience with what is done, not with what is expected: that had five seconds.
expect.set_options(timeout=PATIENCE_MS)

NEWS_WITHIN_MS = 1_000.0
SAVES = 5
DIES_WITHIN_S = 60.0
# Notes the moment in which a text is on the page, by the clock of this machine.
WATCH = """text => {
    window.arrivedAt = null;
    new MutationObserver(() => {
        if (window.arrivedAt === null && document.querySelector("main").innerText.includes(text))
            window.arrivedAt = Date.now();
    }).observe(document.querySelector("main"), {childList: true, subtree: true, characterData: true});
}"""
BOOKMARKS = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<TITLE>Bookmarks</TITLE><H1>Bookmarks</H1><DL><p>
<DT><H3>Reading</H3><DL><p>{links}</DL><p>
</DL><p>"""


@pytest.fixture
def browser_page() -> Iterator[Page]:
    """A window of somebody who trusts the installation's certificate."""
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(ignore_https_errors=True, locale="en-GB")
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()
        browser.close()


class Ada:
    """Works by commands, and once a program saves for her."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.name = f"ada-{secrets.token_hex(4)}"
        self._own = {
            "XDG_CONFIG_HOME": str(installation.folder / self.name),
            "SSL_CERT_FILE": installation.told("ca").strip(),
        }

    def says(self, *arguments: str, typed: str = "") -> str:
        """What `delinkcious ARGUMENTS` prints; it must succeed."""
        command = (*arguments, "--server", self.installation.url)
        done = self.installation.run(*command, typed=typed, env=self._own)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def sign_up(self) -> None:
        self.says("sign-up", self.name, "--password-stdin", typed=f"{PASSWORD}\n")

    def program(self, edge: httpx.Client) -> dict[str, str]:
        """The headers of a program that she has signed in."""
        session = edge.post("/api/v1/sessions", json={"username": self.name, "password": PASSWORD})
        return {"authorization": f"Bearer {session.raise_for_status().json()['access_token']}"}


def sign_up_and_follow(page: Page, url: str, author: str) -> None:
    page.goto(f"{url}/sign-up")
    page.get_by_label("Username").fill(f"grace-{secrets.token_hex(4)}")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.get_by_text("Welcome!").wait_for()
    page.goto(f"{url}/people/{author}")
    page.get_by_role("button", name="Follow", exact=True).click()
    page.get_by_role("button", name="Unfollow").wait_for()


def news_take_ms(page: Page, edge: httpx.Client, ada: dict[str, str], url: str) -> float:
    """From the answer to her save until its title is on the open page."""
    title = f"Fresh {secrets.token_hex(4)}"
    page.evaluate(WATCH, title)
    link = {"url": url, "title": title}
    answer = edge.post("/api/v1/links", json=link, headers=ada)
    answered_at = time.time()
    assert answer.status_code == 201, answer.text
    page.get_by_role("link", name=title, exact=True).wait_for()
    arrived_at: float = page.evaluate("() => window.arrivedAt")
    return arrived_at - answered_at * 1000


def test_a_day_of_two_people(
    installation: Installation, public: Stranger, edge: httpx.Client, browser_page: Page, tmp_path: Path
) -> None:
    page, url = browser_page, installation.url
    ada = Ada(installation)

    ada.sign_up()
    file = tmp_path / "bookmarks.html"
    pages = {name: public.url(f"/{secrets.token_hex(4)}-{name}") for name in ("stays", "dies")}
    file.write_text(
        BOOKMARKS.format(links="\n".join(f'<DT><A HREF="{to}">It {name}</A>' for name, to in pages.items()))
    )
    assert "2 added" in ada.says("import", str(file))

    sign_up_and_follow(page, url, ada.name)
    with page.expect_response(re.compile("/news/stream")):
        page.goto(f"{url}/news")
    expect(page.get_by_role("link", name="It dies", exact=True)).to_be_visible()

    program = ada.program(edge)
    took_ms = [news_take_ms(page, edge, program, public.url(f"/{n}")) for n in range(SAVES)]
    log.info("news in the browser %s ms after the save was answered", [round(took) for took in took_ms])
    assert statistics.median(took_ms) < NEWS_WITHIN_MS

    public.gone.add(pages["dies"].partition(public.url(""))[2])
    asked = "/api/v1/links/search?q=is:dead"
    eventually(lambda: edge.get(asked, headers=program).json()["items"], DIES_WITHIN_S, "the link is dead")
    told = ada.says("search", "is:dead")
    assert "It dies" in told and "It stays" not in told
    assert "(not-found)" in ada.says("link", "show", pages["dies"])
    page.context.clear_cookies()
    page.goto(f"{url}/sign-in?next=/dead-links")
    page.get_by_label("Username").fill(ada.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 link of yours is dead")
    expect(page.get_by_role("link", name="It dies", exact=True)).to_be_visible()

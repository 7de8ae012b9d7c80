"""What people do, without JavaScript: every page is there and every form works."""

from __future__ import annotations

import pytest

from tests.integration.web.conftest import PASSWORD, Browser, NewBrowser
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio

OWN_PAGES = (
    "/links /save /tags /people /news /dead-links /import /export /bookmarklet /docs /account "  # noqa: SIM905
    "/account/activity /account/sessions /account/tokens /account/feeds /account/delete".split()
)


async def test_who_signs_up_is_signed_in_and_welcomed(stranger: Browser) -> None:
    await stranger.sign_up("newcomer")
    page = await stranger.get("/links")
    assert "newcomer" in page.text and "Nothing saved yet" in page.text


@pytest.mark.parametrize("path", OWN_PAGES)
async def test_every_page_is_there(ann: Browser, path: str) -> None:
    page = await ann.get(path)
    assert page.status_code == 200, page.text
    assert page.text.count("<h1") == 1


async def test_a_link_is_saved_found_changed_and_deleted(ann: Browser) -> None:
    await ann.save("https://example.org/one", title="The first one", tags="red, green", note="worth it")
    assert "The first one" in (await ann.get("/links")).text
    assert "<mark>first</mark>" in (await ann.get("/links?q=first")).text
    assert "The first one" in (await ann.get("/links?tag=red")).text
    assert "The first one" not in (await ann.get("/links?tag=blue")).text
    link_id = await ann.link_id("https://example.org/one")
    changed = await ann.post(
        f"/links/{link_id}/edit",
        {"url": "https://example.org/two", "title": "Second", "tags": "blue", "note": "", "version": 1},
    )
    assert "The link is changed." in changed.text and "Second" in changed.text
    asked = await ann.get(f"/links/{link_id}/delete")
    assert "Delete this link?" in asked.text
    gone = await ann.post(f"/links/{link_id}/delete", {})
    assert "The link is deleted." in gone.text and "Second" not in gone.text


async def test_who_edits_what_was_changed_meanwhile_is_told(ann: Browser) -> None:
    await ann.save("https://example.org/", title="Mine")
    link_id = await ann.link_id("https://example.org/")
    fields = {"url": "https://example.org/", "title": "A", "tags": "", "note": "", "version": 1}
    await ann.post(f"/links/{link_id}/edit", fields)
    late = await ann.post(f"/links/{link_id}/edit", {**fields, "title": "B"})
    assert late.status_code == 412
    assert "changed elsewhere" in late.text and 'value="B"' in late.text
    again = await ann.post(f"/links/{link_id}/edit", {**fields, "title": "B", "version": 2})
    assert again.status_code == 200


async def test_the_save_form_suggests_title_and_tags(ann: Browser, stack: Stack) -> None:
    stack.stand.titles["https://example.org/python"] = "All about Python"
    await ann.save("https://example.net/", title="Other", tags="python programming")
    page = (await ann.get("/save?url=https://example.org/python")).text
    assert 'value="All about Python"' in page
    assert 'name="tag" value="python"' in page
    looked_up = await ann.post("/save", {"url": "https://example.org/python", "look": "1"}, page="/save")
    assert 'value="All about Python"' in looked_up.text


async def test_saving_works_while_nobody_reads_pages(ann: Browser, stack: Stack) -> None:
    stack.stand.away = True
    page = await ann.get("/save?url=https://example.org/slow")
    assert page.status_code == 200 and 'value="https://example.org/slow"' in page.text
    await ann.save("https://example.org/slow")


async def test_many_links_are_changed_at_once(ann: Browser) -> None:
    for number in range(3):
        await ann.save(f"https://example.org/{number}")
    ids = [await ann.link_id(f"https://example.org/{number}") for number in range(3)]
    selecting = (await ann.get("/links?select=1")).text
    assert selecting.count('form="bulk"') == 3
    done = await ann.post("/links/bulk", {"id": ids, "action": "add_tags", "tags": "later"})
    assert "3 links are changed." in done.text
    asked = await ann.post("/links/bulk", {"id": ids[:2], "action": "delete"})
    assert "Delete 2 links?" in asked.text
    assert '<li dir="auto">https://example.org/0</li>' in asked.text and " more</li>" not in asked.text
    deleted = await ann.post("/links/bulk", {"id": ids[:2], "action": "delete", "sure": "1"})
    assert "2 links are deleted." in deleted.text
    nothing = await ann.post("/links/bulk", {"action": "private"})
    assert "No link is ticked." in nothing.text


async def test_the_page_of_dead_links_claims_no_more_than_was_checked(ann: Browser, stack: Stack) -> None:
    assert "Nothing saved yet" in (await ann.get("/dead-links")).text
    await ann.save("https://example.org/0")
    assert "Your link has not been checked yet." in (await ann.get("/dead-links")).text
    await ann.save("https://example.org/1")
    assert "None of your 2 links has been checked yet." in (await ann.get("/dead-links")).text
    database = stack.links.state.kit.running.database
    await database.execute("UPDATE links SET health = 'alive' WHERE url LIKE '%0'")
    assert "No dead links so far" in (await ann.get("/dead-links")).text
    await database.execute("UPDATE links SET health = 'dead' WHERE url LIKE '%1'")
    assert "1 link of yours is dead" in (await ann.get("/dead-links")).text


@pytest.mark.parametrize(
    ("path", "marked"),
    [
        ("/tags", '<a href="/tags" aria-current="page">'),
        ("/tags/python", '<a href="/tags" aria-current="true">'),
        ("/tagsoup", '<a href="/tags">'),
    ],
)
async def test_the_part_of_the_site_where_one_is_is_marked(ann: Browser, path: str, marked: str) -> None:
    await ann.save("https://example.org/", tags="python")
    assert marked in (await ann.get(path, accept="text/html")).text


async def test_tags_are_renamed_merged_and_deleted(ann: Browser) -> None:
    await ann.save("https://example.org/1", tags="a/b other")
    renamed = await ann.post("/tags/a%2Fb", {"to": "ab"})
    assert "1 link has the tag “ab” now." in renamed.text
    taken = await ann.post("/tags/ab", {"to": "other"})
    assert taken.status_code == 409 and "merge" in taken.text
    merged = await ann.post("/tags", {"tag": ["ab", "other"], "into": "both", "action": "merge"})
    assert "has the tag “both” now." in merged.text
    asked = await ann.post("/tags", {"tag": "both", "action": "delete"})
    assert "Delete 1 tag?" in asked.text and "they lose the tag." in asked.text
    gone = await ann.post("/tags", {"tag": "both", "action": "delete", "sure": "1"})
    assert "Removed from 1 link." in gone.text


async def test_the_page_of_a_tag_says_how_many_links_have_it(ann: Browser) -> None:
    for number in range(2):
        await ann.save(f"https://example.org/{number}", tags="Ünder/way under")
    assert ">2 links with this tag<" in (await ann.get("/tags/%C3%BCnder%2Fway")).text
    as_written = await ann.get("/tags/%C3%9Cnder%2FWay")
    assert as_written.status_code == 200 and "<h1>#ünder/way</h1>" in as_written.text


async def test_a_tag_that_no_link_has_is_not_there_to_be_changed(ann: Browser) -> None:
    await ann.save("https://example.org/", tags="python")
    for missing in (await ann.get("/tags/pyth"), await ann.post("/tags/pyth", {"to": "snake"})):
        assert missing.status_code == 404
        assert "No link of yours has the tag" in missing.text and 'action="/tags' not in missing.text
    for fields in ({"action": "delete", "sure": "1"}, {"action": "merge", "into": "python"}):
        refused = await ann.post("/tags", {"tag": ["pyth"], **fields})
        assert "One of these tags is gone meanwhile" in refused.text
    assert ">1 link with this tag<" in (await ann.get("/tags/python")).text


async def test_people_are_followed_and_blocked(ann: Browser, new_browser: NewBrowser, stack: Stack) -> None:
    bob = await new_browser().sign_up()
    await bob.save("https://example.org/of-bob", title="Of Bob", tags="shared")
    await bob.save("https://example.org/secret", title="Secret of Bob", private="1")
    page = (await ann.get(f"/people/{bob.name}")).text
    assert "Of Bob" in page and "Secret of Bob" not in page and ">Follow<" in page
    followed = await ann.post(f"/people/{bob.name}/change", {"action": "follow"})
    assert ">Unfollow<" in followed.text and bob.name in stack.stand.following
    assert bob.name in (await ann.get("/people")).text
    blocked = await ann.post(f"/people/{bob.name}/change", {"action": "block"})
    assert ">Unblock<" in blocked.text
    assert (await ann.get("/people/nobody-at-all")).status_code == 404


async def test_the_password_is_changed_and_other_sessions_end(ann: Browser, new_browser: NewBrowser) -> None:
    other = new_browser()
    await other.post("/sign-in", {"username": ann.name, "password": PASSWORD}, page="/sign-in")
    assert (await other.get("/links")).url.path == "/links"
    wrong = await ann.post("/account/password", {"current_password": "no", "new_password": "x" * 12})
    assert wrong.status_code in (403, 422)
    fields = {"current_password": PASSWORD, "new_password": "a walk in the deep wood"}
    assert "The password is changed." in (await ann.post("/account/password", fields)).text
    assert (await other.get("/links")).url.path == "/sign-in"
    assert (await ann.get("/links")).url.path == "/links"


async def test_a_session_is_ended_from_another_one(ann: Browser, new_browser: NewBrowser) -> None:
    other = new_browser()
    other.http.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0"
    await other.post("/sign-in", {"username": ann.name, "password": PASSWORD}, page="/sign-in")
    page = (await ann.get("/account/sessions")).text
    assert "Firefox on Linux" in page
    path = page.split('action="/account/sessions/')[1].split('"')[0]
    await ann.post(f"/account/sessions/{path}", {})
    assert (await other.get("/links")).url.path == "/sign-in"


async def test_an_api_token_is_shown_once_and_revoked(ann: Browser) -> None:
    made = await ann.post("/account/tokens", {"name": "phone", "scope": "write", "days": "90"})
    assert "Your new token" in made.text
    page = (await ann.get("/account/tokens")).text
    assert "phone" in page and "Your new token" not in page
    path = page.split('action="/account/tokens/')[1].split('"')[0]
    assert "The token is revoked." in (await ann.post(f"/account/tokens/{path}", {})).text


async def test_an_account_is_deleted_with_its_sessions(ann: Browser, new_browser: NewBrowser) -> None:
    other = new_browser()
    await other.post("/sign-in", {"username": ann.name, "password": PASSWORD}, page="/sign-in")
    assert "at most 7 days" in (await ann.get("/account/delete")).text
    wrong = await ann.post("/account/delete", {"password": "not it at all"})
    assert wrong.status_code == 403
    assert "deleted" in (await ann.post("/account/delete", {"password": PASSWORD})).text
    assert (await other.get("/links")).url.path == "/sign-in"


async def test_signing_out_ends_the_session_behind_the_cookie(ann: Browser) -> None:
    kept = dict(ann.http.cookies)
    await ann.post("/sign-out", {})
    ann.http.cookies.update(kept)
    assert (await ann.get("/links")).url.path == "/sign-in"


async def test_a_malformed_search_says_where(ann: Browser) -> None:
    page = await ann.get('/links?q="unfinished')
    assert page.status_code == 200 and 'role="alert"' in page.text


async def test_htmx_gets_parts_of_pages(ann: Browser) -> None:
    await ann.save("https://example.org/part", title="A part")
    part = await ann.get("/links?q=part", hx_request="true")
    assert "<html" not in part.text and "<mark>part</mark>" in part.text
    link_id = await ann.link_id("https://example.org/part")
    row = await ann.get(f"/links/{link_id}/edit", hx_request="true")
    assert row.text.strip().startswith("<li")


async def test_the_colours_are_chosen_by_a_form(stranger: Browser) -> None:
    page = await stranger.post("/theme", {"theme": "dark", "next": "/sign-in"}, page="/sign-in")
    assert 'data-theme="dark"' in page.text and page.url.path == "/sign-in"

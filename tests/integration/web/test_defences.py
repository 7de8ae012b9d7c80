"""What the pages withstand: forged forms, planted sessions, doors to elsewhere, hostile texts."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest

from services.kit.settings import Secret
from tests.integration.web.conftest import PASSWORD, Browser, NewBrowser
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}"


def session_of(browser: Browser) -> str:
    return browser.http.cookies["__Host-session"]


def plant(browser: Browser, cookie: str) -> None:
    """Put a session cookie of somebody's choice into a browser."""
    browser.http.cookies.set("__Host-session", cookie, domain="pages.example", path="/")


async def test_a_form_without_the_right_token_is_refused(ann: Browser) -> None:
    for shown in ({}, {"form_token": ""}, {"form_token": "forged"}, {"form_token": "é"}):
        answer = await ann.http.post("/save", data={"url": "https://example.org/", **shown})
        assert answer.status_code == 403
    assert "Nothing saved yet" in (await ann.get("/links")).text


async def test_a_form_token_is_good_for_its_visitor_only(ann: Browser, new_browser: NewBrowser) -> None:
    bob = await new_browser().sign_up()
    stolen = await bob.token("/save")
    answer = await ann.http.post("/save", data={"form_token": stolen, "url": "https://example.org/"})
    assert answer.status_code == 403


async def test_a_form_that_another_site_sends_is_refused_whatever_it_knows(ann: Browser) -> None:
    for site in ("cross-site", "same-site", "Cross-Site"):
        answer = await ann.post("/save", {"url": "https://a.example/"}, page="/save", sec_fetch_site=site)
        assert answer.status_code == 403
    for origin in ("https://evil.example", "null", "http://pages.example"):
        answer = await ann.post("/save", {"url": "https://a.example/"}, page="/save", origin=origin)
        assert answer.status_code == 403
    answer = await ann.post(
        "/save", {"url": "https://a.example/"}, page="/save", origin="https://pages.example"
    )
    assert answer.is_success


async def test_an_upload_without_the_token_is_refused(ann: Browser) -> None:
    answer = await ann.http.post("/import/key", data={"a": "b"}, files={"file": ("x.html", b"<dl>")})
    assert answer.status_code == 403


async def test_a_session_that_was_planted_is_never_used(ann: Browser, stranger: Browser) -> None:
    planted = session_of(ann)
    await ann.post("/sign-out", {})
    plant(stranger, planted)
    await stranger.sign_up()
    assert session_of(stranger) != planted


async def test_signing_in_again_makes_another_session_and_ends_the_one_before(ann: Browser) -> None:
    before = session_of(ann)
    token = await ann.token("/save")
    fields = {"form_token": token, "username": ann.name, "password": PASSWORD}
    await ann.http.post("/sign-in", data=fields)
    after = session_of(ann)
    assert after != before
    plant(ann, before)
    assert (await ann.get("/links")).url.path == "/sign-in"


async def test_a_cookie_that_was_not_signed_here_is_none(ann: Browser) -> None:
    signed = session_of(ann)
    for forged in (signed[:-2] + "xx", signed.split(".")[0], "x", "x.y"):
        plant(ann, forged)
        assert (await ann.get("/links")).url.path == "/sign-in"


async def test_cookies_are_out_of_reach_for_scripts_and_other_sites(new_browser: NewBrowser) -> None:
    browser = new_browser()
    token = await browser.token("/sign-up")
    answer = await browser.http.post(
        "/sign-up",
        data={"form_token": token, "username": "kay-cookie", "password": PASSWORD, "email": ""},
        follow_redirects=False,
    )
    made = [header.lower() for header in answer.headers.get_list("set-cookie")]
    assert any(header.startswith("__host-session=") for header in made)
    for header in made:
        assert "httponly" in header and "secure" in header and "samesite=lax" in header
        assert "path=/;" in header + ";" and "domain" not in header


async def test_the_database_holds_neither_the_id_of_a_session_nor_a_token(ann: Browser, stack: Stack) -> None:
    database = stack.web.state.kit.running.deps.database
    row = await database.fetchrow("SELECT * FROM web_sessions")
    session_id = session_of(ann).rpartition(".")[0]
    stored = b"".join(value for value in row.values() if isinstance(value, bytes))
    assert session_id.encode() not in stored
    assert b"eyJ" not in stored and len(row["id_hash"]) == 32


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "/%0d%0aset-cookie:a=b\r\nx:y",
    "/links\nlocation: https://evil.example",
    "/\t/evil.example",
    " //evil.example",
    "///evil.example",
    "http:///evil.example",
    "",
]


async def test_no_door_leads_elsewhere(ann: Browser) -> None:
    for target in ELSEWHERE:
        fields = {"theme": "dark", "next": target}
        answer = await ann.post("/theme", fields, page="/save", follow=False)
        location = answer.headers["location"]
        assert location.startswith("/") and not re.match(r"/[/\\\s]", location), target
        assert "evil" not in location, target
    fields = {"username": ann.name, "password": PASSWORD, "next": "//evil.example/"}
    answer = await ann.post("/sign-in", fields, page="/save", follow=False)
    assert answer.headers["location"] == "/links"


async def test_texts_of_users_are_shown_and_never_obeyed(ann: Browser, stranger: Browser) -> None:
    await ann.save("https://example.org/?q=<b>", title=HOSTILE, note=HOSTILE, tags="<i>x</i>")
    link_id = await ann.link_id("https://example.org/?q=<b>")
    for browser, path in (
        (ann, "/links"),
        (ann, "/links?q=script"),
        (ann, f"/links/{link_id}/edit"),
        (ann, "/tags"),
        (ann, "/save?url=https://example.org/?q=<b>"),
        (stranger, f"/people/{ann.name}"),
        (stranger, f"/feeds/people/{ann.name}/links.atom"),
        (stranger, f"/feeds/people/{ann.name}/links.rss"),
    ):
        text = (await browser.get(path)).text
        assert "<script>alert" not in text and "<img src=x" not in text and "<i>x" not in text, path


async def test_queries_and_names_in_addresses_are_shown_and_never_obeyed(ann: Browser) -> None:
    for path in (
        "/links?q=",
        "/links?tag=",
        "/tags?prefix=",
        "/save?url=",
        "/save?title=",
        "/people/",
        "/tags/",
    ):
        page = await ann.get(path + "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22onload%3Dx")
        assert "<script>alert" not in page.text and '"onload=x' not in page.text, path


async def test_the_policy_allows_no_script_but_ours(ann: Browser) -> None:
    first, second = await ann.get("/links"), await ann.get("/links")
    policy = first.headers["content-security-policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert policy != second.headers["content-security-policy"], "a nonce is good for one page"
    assert first.headers["x-frame-options"] == "DENY"
    assert first.headers["cache-control"] == "no-store"
    for script in re.findall(r"<script[^>]*>", first.text):
        nonce = re.search(r'nonce="([^"]+)"', script)
        assert nonce and f"'nonce-{nonce[1]}'" in policy and "src=" in script
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", first.text)


async def test_requests_at_once_renew_the_tokens_once(ann: Browser, stack: Stack) -> None:
    deps = stack.web.state.kit.running.deps
    await deps.database.execute("UPDATE web_sessions SET access_expires_at = now()")
    metrics = stack.users.state.kit.running.deps.metrics
    pages = await asyncio.gather(*(ann.get("/links") for _ in range(12)))
    assert [page.url.path for page in pages] == ["/links"] * 12
    assert sum(counter._value.get() for counter in metrics.refreshes.values()) == 1


async def test_who_dies_between_renewing_and_keeping_it_stays_signed_in(ann: Browser, stack: Stack) -> None:
    deps = stack.web.state.kit.running.deps
    await deps.database.execute("UPDATE web_sessions SET access_expires_at = now()")
    session = await deps.sessions.find(session_of(ann))
    kept = deps.sessions._open(session.id, session.stored)
    refresh = Secret(kept.refresh)
    await deps.users.refresh(refresh, key=deps.keys.repeat_key(refresh))
    assert (await ann.get("/links")).url.path == "/links"


async def test_a_revoked_session_ends_at_its_next_renewal(ann: Browser, stack: Stack) -> None:
    deps = stack.web.state.kit.running.deps
    await deps.database.execute("UPDATE web_sessions SET access_expires_at = now()")
    users: asyncpg.Pool = stack.users.state.kit.running.database
    await users.execute("DELETE FROM sessions")
    assert (await ann.get("/links")).url.path == "/sign-in"
    assert await deps.database.fetchval("SELECT count(*) FROM web_sessions") == 0


async def test_what_is_no_form_is_refused(ann: Browser) -> None:
    form = "application/x-www-form-urlencoded"
    for content, media_type, status in (
        (b"a=b", "application/json", 415),
        (b"a=%ff", form, 400),
        (b"a=" + b"x" * 1_100_000, form, 413),
        (b"&".join(b"a=b" for _ in range(3_000)), form, 400),
    ):
        answer = await ann.http.post("/save", content=content, headers={"content-type": media_type})
        assert answer.status_code == status


async def test_addresses_that_mean_nothing_are_not_found_or_refused(ann: Browser) -> None:
    for path in (
        "/links/0/edit",
        "/links/99999999999999999999",
        "/people/%00",
        "/people/a%2Fb",
        "/people/?name=%2F%2Fevil.example",
        "/tags/%ff",
        "/import/%00",
        "/export/exe",
        "/feeds/people/nobody-here/links.atom",
        "/feeds/private/1-x/links.atom",
    ):
        answer = await ann.get(path, accept="text/html")
        assert answer.status_code in (200, 400, 404), path
        assert answer.url.host == "pages.example"


async def test_a_cursor_that_is_none_breaks_nothing(ann: Browser) -> None:
    for path in ("/links?", "/tags?", "/links?q=a&", f"/people/{ann.name}?"):
        for cursor in ("x", "%00", "gA", "a" * 5_000):
            assert (await ann.get(f"{path}cursor={cursor}")).status_code < 500, path


async def test_a_method_that_a_page_does_not_take_is_refused(ann: Browser) -> None:
    answer = await ann.http.put("/links")
    assert answer.status_code == 405 and "GET" in answer.headers["allow"]


async def test_of_two_users_neither_reads_nor_changes_what_is_the_others(
    ann: Browser, new_browser: NewBrowser
) -> None:
    await ann.save("https://example.org/mine", title="Mine alone", private="1")
    link_id = await ann.link_id("https://example.org/mine")
    bob = await new_browser().sign_up()
    assert (await bob.get(f"/links/{link_id}")).status_code == 404
    assert (await bob.get(f"/links/{link_id}/edit")).status_code == 404
    fields = {"url": "https://example.org/his", "title": "", "tags": "", "note": "", "version": 1}
    assert (await bob.post(f"/links/{link_id}/edit", fields)).status_code == 404
    await bob.post(f"/links/{link_id}/delete", {})
    await bob.post("/links/bulk", {"id": [link_id], "action": "delete", "sure": "1"})
    assert "Mine alone" in (await ann.get("/links")).text
    assert "Mine alone" not in (await bob.get(f"/people/{ann.name}")).text

"""Sign-ins with a real identity provider, as a browser without JavaScript goes through them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from starlette.responses import Response

from tests.identity_provider import IdentityProvider, answered, configured, running
from tests.integration.web.conftest import PASSWORD, Browser, NewBrowser
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio

CALLBACK = "/sign-in/acme/callback"


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with running("acme") as provider:
        provider.person = {
            "sub": "person-1",
            "email": "ada@acme.example",
            "email_verified": True,
            "preferred_username": "Ada.L",
        }
        yield provider


@pytest.fixture
def accounts(provider: IdentityProvider) -> dict[str, Any]:
    return configured(provider)


async def begin(browser: Browser, next: str = "/links", page: str = "/sign-in") -> str:
    """Press the button; the address that the browser is sent to."""
    leaving = await browser.post("/sign-in/acme", {"next": next}, page=page)
    assert leaving.status_code == 200, leaving.text
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', leaving.text)
    assert found, leaving.text
    return html.unescape(found[1])


async def agree(address: str) -> dict[str, str]:
    """What the provider sends the browser back with."""
    async with httpx.AsyncClient() as outside:
        went = await outside.get(address)
    assert went.status_code == 302, went.text
    return answered(went.headers["location"])


async def come_back(browser: Browser, said: dict[str, str]) -> httpx.Response:
    return await browser.get(f"{CALLBACK}?{urlencode(said)}", sec_fetch_site="cross-site")


async def prove(browser: Browser, **there: str) -> httpx.Response:
    """All the way there and back."""
    return await come_back(browser, await agree(await begin(browser, **there)))


async def make_account(browser: Browser, name: str = "ada") -> Browser:
    await prove(browser)
    made = await browser.post("/new-identity/account", {"username": name}, page="/new-identity")
    assert made.url.path == "/links" and "Welcome!" in made.text
    browser.name = name
    return browser


async def age_sessions(stack: Stack) -> None:
    await stack.users.state.kit.running.database.execute(
        "UPDATE sessions SET created_at = created_at - interval '11 minutes'"
    )


async def test_the_sign_in_page_offers_the_providers(stranger: Browser, stack: Stack) -> None:
    assert "Sign in with Acme" in (await stranger.get("/sign-in")).text
    stack.switched_off.add("users")
    page = await stranger.get("/sign-in")
    assert page.status_code == 200 and "Acme" not in page.text and 'name="password"' in page.text


async def test_an_identity_becomes_an_account_that_it_signs_in_to(
    stranger: Browser, new_browser: NewBrowser
) -> None:
    page = await prove(stranger, next="/tags")
    assert page.url.path == "/new-identity" and "code=" not in str(page.url)
    assert 'value="ada-l"' in page.text and "ada@acme.example" in page.text
    assert "There is an account with this e-mail" not in page.text
    taken = await new_browser().sign_up("grace")
    refused = await stranger.post("/new-identity/account", {"username": "grace"}, page="/new-identity")
    assert refused.status_code == 409 and 'role="alert"' in refused.text and taken.name in refused.text
    made = await stranger.post("/new-identity/account", {"username": "ada"}, page="/new-identity")
    assert made.url.path == "/tags" and "Welcome!" in made.text
    again = await prove(new_browser(), next="/people")
    assert again.url.path == "/people" and "ada" in again.text


async def test_an_identity_is_linked_to_the_account_that_its_password_opens(
    ann: Browser, new_browser: NewBrowser, stack: Stack
) -> None:
    await stack.users.state.kit.running.database.execute("UPDATE users SET email = 'ada@acme.example'")
    other = new_browser()
    assert "There is an account with this e-mail" in (await prove(other)).text
    fields = {"username": ann.name, "password": "not it at all"}
    wrong = await other.post("/new-identity/link", fields, page="/new-identity")
    assert wrong.status_code == 403 and "username or the password is wrong" in wrong.text
    fields["password"] = PASSWORD
    linked = await other.post("/new-identity/link", fields, page="/new-identity")
    assert linked.url.path == "/links" and "The identity is linked" in linked.text
    assert ann.name in (await prove(new_browser())).text


async def test_who_is_signed_in_links_with_the_password(ann: Browser) -> None:
    page = await prove(ann, next="/account", page="/account")
    assert f"Link it to {ann.name}" in page.text and "Make the account" not in page.text
    wrong = await ann.post("/new-identity/link", {"password": "not it at all"}, page="/new-identity")
    assert wrong.status_code == 403
    linked = await ann.post("/new-identity/link", {"password": PASSWORD}, page="/new-identity")
    assert linked.url.path == "/account" and "Unlink Acme ada@acme.example" in linked.text


async def test_who_unlinks_ends_the_sessions_that_the_identity_opened(
    ann: Browser, new_browser: NewBrowser
) -> None:
    await prove(ann, page="/account")
    await ann.post("/new-identity/link", {"password": PASSWORD}, page="/new-identity")
    other = new_browser()
    await prove(other)
    assert (await other.get("/links")).url.path == "/links"
    unlinked = await ann.post(await unlink_address(ann), {})
    assert "The identity is unlinked." in unlinked.text and "Unlink Acme" not in unlinked.text
    assert (await other.get("/links")).url.path == "/sign-in"
    assert (await ann.get("/links")).url.path == "/links"


async def unlink_address(browser: Browser) -> str:
    found = re.search(r'action="(/account/identities/\d+/unlink)"', (await browser.get("/account")).text)
    assert found
    return found[1]


async def test_the_last_way_in_stays_until_there_is_a_password(stranger: Browser, stack: Stack) -> None:
    ada = await make_account(stranger)
    address = await unlink_address(ada)
    assert "Set a password first" in (await ada.post(address, {})).text
    page = (await ada.get("/account")).text
    assert "Set a password" in page and 'name="current_password"' not in page
    await age_sessions(stack)
    stale = await ada.post("/account/password", {"new_password": PASSWORD})
    assert stale.status_code == 403 and "sign in again with an identity provider" in stale.text
    assert (await prove(ada, next="/account", page="/account")).url.path == "/account"
    done = await ada.post("/account/password", {"new_password": PASSWORD})
    assert "The password is set." in done.text and 'name="current_password"' in done.text
    assert "is unlinked" in (await ada.post(address, {})).text


async def test_an_account_without_a_password_is_deleted_after_a_fresh_sign_in(
    stranger: Browser, stack: Stack
) -> None:
    ada = await make_account(stranger)
    await age_sessions(stack)
    stale = await ada.post("/account/delete", {})
    assert stale.status_code == 403 and "Sign in again with Acme" in stale.text
    asked = await prove(ada, next="/account/delete", page="/account/delete")
    assert asked.url.path == "/account/delete" and 'name="password"' not in asked.text
    assert "is deleted" in (await ada.post("/account/delete", {})).text
    assert (await prove(stranger)).url.path == "/new-identity"


async def test_who_is_signed_in_is_not_switched_to_another_account(
    ann: Browser, new_browser: NewBrowser
) -> None:
    await make_account(new_browser())
    page = await prove(ann, page="/account")
    assert "signs in to another account, ada." in page.text
    assert f"<dd>{ann.name}</dd>" in page.text


async def test_a_provider_that_is_down_is_said_to_be(stranger: Browser, provider: IdentityProvider) -> None:
    # Nobody listens there.
    provider.metadata["token_endpoint"] = "http://127.0.0.1:1/token"
    late = await prove(stranger)
    assert late.status_code == 424 and "does not answer" in late.text
    assert "__Host-session" not in stranger.http.cookies


async def test_a_provider_that_is_broken_is_said_to_be(stranger: Browser, provider: IdentityProvider) -> None:
    provider.instead["/.well-known/openid-configuration"] = lambda: Response(status_code=503)
    page = await stranger.post("/sign-in/acme", {}, page="/sign-in")
    assert page.status_code == 424 and "makes no sense" in page.text
    assert "__Host-sign-in" not in stranger.http.cookies


async def test_who_declines_is_told(stranger: Browser) -> None:
    said = await agree(await begin(stranger))
    page = await come_back(stranger, {"error": "access_denied", "error_description": "<b>x", "state": "y"})
    assert page.status_code == 403 and "cancelled" in page.text and "<b>x" not in page.text
    assert (await come_back(stranger, said)).url.path == "/new-identity"


@pytest.mark.parametrize("part", ["state", "code"])
@pytest.mark.parametrize("value", ["", "forged", "x" * 5_000])
async def test_a_forged_answer_signs_nobody_in(stranger: Browser, part: str, value: str) -> None:
    said = await agree(await begin(stranger))
    forged = await come_back(stranger, {**said, part: value})
    assert forged.status_code in (403, 422) and 'role="alert"' in forged.text
    assert "__Host-session" not in stranger.http.cookies and "__Host-linking" not in stranger.http.cookies
    if part == "state":
        # It has not ended the true one.
        assert (await come_back(stranger, said)).url.path == "/new-identity"


async def test_an_answer_counts_once_and_in_the_browser_that_began(
    stranger: Browser, new_browser: NewBrowser
) -> None:
    other = new_browser()
    await begin(other)
    said = await agree(await begin(stranger))
    kept = stranger.http.cookies["__Host-sign-in"]
    for browser in (new_browser(), other):
        refused = await come_back(browser, said)
        assert refused.status_code == 422 and "not begun in this browser" in refused.text
    assert (await come_back(stranger, said)).url.path == "/new-identity"
    assert "__Host-sign-in" not in stranger.http.cookies
    stranger.http.cookies.set("__Host-sign-in", kept, domain="pages.example", path="/")
    assert (await come_back(stranger, said)).status_code == 422


async def test_what_was_begun_before_somebody_signed_in_does_not_end_that_session(
    ann: Browser, new_browser: NewBrowser
) -> None:
    shared = new_browser()
    said = await agree(await begin(shared))
    await shared.post("/sign-in", {"username": ann.name, "password": PASSWORD}, page="/sign-in")
    assert (await come_back(shared, said)).status_code == 422
    assert ann.name in (await shared.get("/account")).text


async def test_what_was_begun_by_who_signs_out_is_over(ann: Browser) -> None:
    said = await agree(await begin(ann, page="/account"))
    await ann.post("/sign-out", {})
    assert (await come_back(ann, said)).status_code == 422


async def test_a_ticket_counts_once(stranger: Browser) -> None:
    await prove(stranger)
    kept = stranger.http.cookies["__Host-linking"]
    await stranger.post("/new-identity/account", {"username": "ada"}, page="/new-identity")
    await stranger.post("/sign-out", {})
    stranger.http.cookies.set("__Host-linking", kept, domain="pages.example", path="/")
    again = await stranger.post("/new-identity/account", {"username": "bob"}, page="/new-identity")
    assert again.url.path == "/sign-in" and "done already" in again.text


async def test_forged_cookies_and_forms_are_refused(stranger: Browser, ann: Browser) -> None:
    for path in ("/sign-in/acme", "/new-identity/account", "/new-identity/link"):
        assert (await stranger.http.post(path, data={"form_token": "forged"})).status_code == 403
    assert (
        await ann.http.post("/account/identities/1/unlink", data={"form_token": "forged"})
    ).status_code == 403
    for name in ("__Host-sign-in", "__Host-linking"):
        stranger.http.cookies.set(name, "e30=.forged", domain="pages.example", path="/")
    assert (await stranger.get(f"{CALLBACK}?code=a&state=b")).status_code == 422
    assert (await stranger.get("/new-identity")).url.path == "/sign-in"
    assert (await stranger.post("/sign-in/nobody", {}, page="/sign-in")).status_code == 404


async def test_the_cookies_are_short_lived_and_out_of_reach(stranger: Browser) -> None:
    answer = await stranger.post("/sign-in/acme", {}, page="/sign-in")
    [made] = [
        header.lower()
        for header in answer.headers.get_list("set-cookie")
        if header.startswith("__Host-sign-in=")
    ]
    for word in ("httponly", "secure", "samesite=lax", "path=/", "max-age=600"):
        assert word in made
    assert "domain" not in made


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil", "/a" * 1_000])
async def test_afterwards_no_door_leads_elsewhere(stranger: Browser, target: str) -> None:
    await prove(stranger, next=target)
    made = await stranger.post(
        "/new-identity/account", {"username": "ada"}, page="/new-identity", follow=False
    )
    assert urlsplit(made.headers["location"]).path == made.headers["location"] == "/links"

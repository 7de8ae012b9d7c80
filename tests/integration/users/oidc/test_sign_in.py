from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from services.kit.errors import Conflict, Unauthenticated, Unprocessable
from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.deps import Deps
from tests.identity_provider import CLIENT_ID, IdentityProvider, answered
from tests.integration.users.conftest import PASSWORD, Clock, Query
from tests.integration.users.oidc.conftest import Browser

pytestmark = pytest.mark.anyio


async def test_people_see_whom_they_may_sign_in_with(users: UsersClient) -> None:
    listed = [(provider.id, provider.name) for provider in await users.list_providers()]
    assert listed == [("acme", "Acme"), ("globex", "Globex")]


async def test_the_browser_is_sent_with_pkce_state_and_nonce(
    users: UsersClient, provider: IdentityProvider
) -> None:
    begun = await users.begin_sign_in("acme")
    assert begun.authorization_url.startswith(f"{provider.issuer}/authorize?")
    asked = answered(begun.authorization_url)
    assert asked["response_type"] == "code" and asked["client_id"] == CLIENT_ID
    assert asked["scope"] == "openid email profile"
    assert urlsplit(asked["redirect_uri"]).path == "/sign-in/acme/callback"
    assert asked["code_challenge_method"] == "S256"
    secrets = {asked["state"], asked["nonce"], asked["code_challenge"]}
    assert len(secrets) == 3 and all(len(secret) == 43 for secret in secrets)
    assert begun.transaction.reveal() not in begun.authorization_url
    assert answered((await users.begin_sign_in("acme")).authorization_url)["state"] != asked["state"]


async def test_an_unknown_identity_becomes_an_account_and_signs_in_from_then_on(
    browser: Browser, users: UsersClient
) -> None:
    unknown = await browser.prove()
    assert (unknown.provider, unknown.email, unknown.account_exists) == ("acme", "ada@acme.example", False)
    assert unknown.suggested_username == "ada-l"
    tokens = await users.sign_up_by_identity(unknown.ticket, "Ada")
    me = await users.me(tokens.access_token)
    assert (me.username, me.email, me.has_password) == ("ada", "ada@acme.example", False)
    again = (await browser.sign_in()).tokens
    assert again is not None and await users.me(again.access_token) == me
    assert again.refresh_token is not None and await users.refresh(again.refresh_token)
    [identity] = await users.list_identities(again.access_token)
    assert (identity.provider, identity.email) == ("acme", "ada@acme.example")


async def test_a_name_that_is_taken_does_not_use_the_ticket_up(browser: Browser, users: UsersClient) -> None:
    await users.sign_up("ada-l", Secret(PASSWORD))
    unknown = await browser.prove()
    assert unknown.suggested_username == "ada-l-2"
    with pytest.raises(Conflict):
        await users.sign_up_by_identity(unknown.ticket, "ada-l")
    with pytest.raises(Unprocessable):
        await users.sign_up_by_identity(unknown.ticket, "admin")
    assert await users.sign_up_by_identity(unknown.ticket, "ada-l-2")
    with pytest.raises(Unprocessable):
        await users.sign_up_by_identity(unknown.ticket, "ada-l-3")


async def test_the_same_subject_at_another_provider_is_somebody_else(
    browser: Browser, users: UsersClient
) -> None:
    await browser.make_account("ada")
    assert await browser.prove("globex")


async def test_an_address_that_only_userinfo_tells_counts_too(
    browser: Browser, provider: IdentityProvider
) -> None:
    provider.email_in_token = False
    unknown = await browser.prove()
    assert (unknown.email, unknown.suggested_username) == ("ada@acme.example", "ada-l")
    assert "/userinfo" in provider.asked


async def test_an_account_without_a_password_takes_none(browser: Browser, users: UsersClient) -> None:
    await browser.make_account("ada")
    for guess in ("", "None", PASSWORD):
        with pytest.raises(Unauthenticated):
            await users.sign_in("ada", Secret(guess))


async def test_what_a_provider_publishes_is_kept_a_while(
    browser: Browser, deps: Deps, provider: IdentityProvider, clock: Clock
) -> None:
    await browser.make_account("ada")
    for _ in range(3):
        await browser.sign_in()
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    assert provider.asked.count("/jwks") == 1
    clock.advance(hours=2)
    await deps.signer.reload()
    provider.claims = {"exp": int(clock().timestamp()) + 60}
    assert (await browser.sign_in()).tokens
    assert provider.asked.count("/.well-known/openid-configuration") == 2


async def test_keys_that_the_provider_changes_are_looked_up(
    browser: Browser, provider: IdentityProvider, clock: Clock
) -> None:
    await browser.make_account("ada")
    clock.advance(seconds=11)
    provider.rotate("key-2")
    assert (await browser.sign_in()).tokens
    assert provider.asked.count("/jwks") == 2


async def test_a_provider_learns_nothing_of_our_own(browser: Browser, provider: IdentityProvider) -> None:
    await browser.prove()
    for path in ("/.well-known/openid-configuration", "/jwks", "/token"):
        sent = provider.seen_headers[path]
        assert not {"traceparent", "x-request-timeout-ms", "baggage", "x-request-id", "cookie"} & sent.keys()


async def test_no_secret_of_a_sign_in_is_stored(browser: Browser, users: UsersClient, query: Query) -> None:
    begun = await users.begin_sign_in("acme")
    asked = answered(begun.authorization_url)
    unknown = await browser.prove()
    stored = str(await query("SELECT t::text FROM oidc_attempts AS t"))
    stored += str(await query("SELECT t::text FROM oidc_tickets AS t"))
    assert "acme" in stored
    for secret in (
        begun.transaction.reveal()[4:],
        asked["state"],
        asked["nonce"],
        unknown.ticket.reveal()[4:],
    ):
        assert secret not in stored

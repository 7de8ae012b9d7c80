from __future__ import annotations

import asyncio

import httpx
import pytest

from services.kit.errors import Conflict, Forbidden, NotFound, Unauthenticated, Unprocessable
from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.domain import NewApiToken
from services.users.messages import Tokens
from tests.identity_provider import IdentityProvider
from tests.integration.users.conftest import PASSWORD, Query, bearer
from tests.integration.users.oidc.conftest import Browser

pytestmark = pytest.mark.anyio

NEW = Secret("an even longer walk inland")


@pytest.fixture
async def ada(users: UsersClient) -> Tokens:
    """Somebody with a password, and with the address that the provider vouches for."""
    await users.sign_up("ada", Secret(PASSWORD), "Ada@Acme.example")
    return await users.sign_in("ada", Secret(PASSWORD))


async def let_time_pass(query: Query) -> None:
    """No sign-in so far is fresh any more."""
    await query("UPDATE sessions SET created_at = created_at - interval '11 minutes'")


async def test_an_address_alone_signs_nobody_in(browser: Browser, users: UsersClient, ada: Tokens) -> None:
    unknown = await browser.prove()
    assert unknown.account_exists
    assert await users.list_identities(ada.access_token) == []


async def test_who_has_just_given_the_password_links_and_signs_in_by_either_from_then_on(
    browser: Browser, users: UsersClient, ada: Tokens
) -> None:
    unknown = await browser.prove()
    identity = await users.link_identity(ada.access_token, unknown.ticket)
    assert await users.list_identities(ada.access_token) == [identity]
    by_identity = (await browser.sign_in()).tokens
    assert by_identity is not None
    assert (await users.me(by_identity.access_token)).username == "ada"
    assert await users.sign_in("ada", Secret(PASSWORD))
    with pytest.raises(Unprocessable):
        await users.link_identity(ada.access_token, unknown.ticket)


async def test_a_session_of_yesterday_links_with_the_password_only(
    browser: Browser, users: UsersClient, query: Query, ada: Tokens
) -> None:
    await let_time_pass(query)
    unknown = await browser.prove()
    with pytest.raises(Forbidden, match="sign in again"):
        await users.link_identity(ada.access_token, unknown.ticket)
    with pytest.raises(Forbidden, match="not your password"):
        await users.link_identity(ada.access_token, unknown.ticket, Secret("not the password of anybody"))
    assert await users.link_identity(ada.access_token, unknown.ticket, Secret(PASSWORD))


async def test_a_session_by_an_identity_does_not_count_as_the_password(
    browser: Browser, users: UsersClient, ada: Tokens
) -> None:
    await users.link_identity(ada.access_token, (await browser.prove()).ticket)
    by_identity = (await browser.sign_in()).tokens
    assert by_identity is not None
    with pytest.raises(Forbidden):
        await users.link_identity(by_identity.access_token, (await browser.prove("globex")).ticket)


async def test_an_api_token_links_and_unlinks_nothing(
    browser: Browser, users: UsersClient, ada: Tokens
) -> None:
    made = await users.create_token(ada.access_token, NewApiToken(name="x", scopes=["read", "write"]))
    access = (await users.exchange_token(made.token)).access_token
    unknown = await browser.prove()
    with pytest.raises(Forbidden):
        await users.link_identity(access, unknown.ticket, Secret(PASSWORD))
    with pytest.raises(Forbidden):
        await users.list_identities(access)
    identity = await users.link_identity(ada.access_token, unknown.ticket)
    with pytest.raises(Forbidden):
        await users.unlink_identity(access, identity.id)


async def test_an_identity_signs_in_to_one_account(browser: Browser, users: UsersClient, ada: Tokens) -> None:
    first, second = await browser.prove(), await browser.prove()
    await users.sign_up_by_identity(first.ticket, "grace")
    with pytest.raises(Conflict):
        await users.link_identity(ada.access_token, second.ticket)
    with pytest.raises(Conflict):
        await users.sign_up_by_identity(second.ticket, "lin")
    with pytest.raises(Unauthenticated):
        await users.sign_in("lin", Secret(PASSWORD))


@pytest.mark.usefixtures("side_by_side")
async def test_of_two_accounts_made_at_the_same_time_one_gets_the_identity(
    browser: Browser, users: UsersClient, query: Query
) -> None:
    tickets = [await browser.prove() for _ in range(4)]
    ends = await asyncio.gather(
        *(users.sign_up_by_identity(unknown.ticket, f"name-{n}") for n, unknown in enumerate(tickets)),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["Conflict"] * 3 + ["Tokens"]
    assert len(await query("SELECT FROM users")) == len(await query("SELECT FROM identities")) == 1


async def test_unlinking_ends_what_the_identity_opened(
    browser: Browser, users: UsersClient, ada: Tokens
) -> None:
    identity = await users.link_identity(ada.access_token, (await browser.prove()).ticket)
    by_identity = (await browser.sign_in()).tokens
    assert by_identity is not None and by_identity.refresh_token is not None
    await users.unlink_identity(ada.access_token, identity.id)
    with pytest.raises(Unauthenticated):
        await users.refresh(by_identity.refresh_token)
    with pytest.raises(NotFound):
        await users.unlink_identity(ada.access_token, identity.id)
    assert await browser.prove()


async def test_nobody_unlinks_the_identity_of_somebody_else(
    browser: Browser, users: UsersClient, ada: Tokens
) -> None:
    other = await browser.make_account("grace")
    [identity] = await users.list_identities(other.access_token)
    with pytest.raises(NotFound):
        await users.unlink_identity(ada.access_token, identity.id)
    assert (await browser.sign_in()).tokens


async def test_the_last_way_to_sign_in_stays(browser: Browser, users: UsersClient) -> None:
    tokens = await browser.make_account("ada")
    [identity] = await users.list_identities(tokens.access_token)
    with pytest.raises(Conflict, match="password"):
        await users.unlink_identity(tokens.access_token, identity.id)
    await users.change_password(tokens.access_token, None, NEW)
    await users.unlink_identity(tokens.access_token, identity.id)
    assert (await users.me(tokens.access_token)).has_password
    assert await users.sign_in("ada", NEW)


@pytest.mark.usefixtures("side_by_side")
async def test_two_identities_are_not_both_unlinked_at_the_same_time(
    browser: Browser, users: UsersClient
) -> None:
    tokens = await browser.make_account("ada")
    await users.link_identity(tokens.access_token, (await browser.prove("globex")).ticket)
    listed = await users.list_identities(tokens.access_token)
    ends = await asyncio.gather(
        *(users.unlink_identity(tokens.access_token, identity.id) for identity in listed),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["Conflict", "NoneType"]


async def test_a_first_password_and_the_end_take_a_fresh_sign_in_where_there_is_no_password(
    browser: Browser, users: UsersClient, query: Query
) -> None:
    old = await browser.make_account("ada")
    await let_time_pass(query)
    for password in (None, Secret(""), Secret(PASSWORD)):
        with pytest.raises(Forbidden, match="sign in again"):
            await users.change_password(old.access_token, password, NEW)
        with pytest.raises(Forbidden, match="sign in again"):
            await users.delete_account(old.access_token, password)
    fresh = (await browser.sign_in()).tokens
    assert fresh is not None
    await users.change_password(fresh.access_token, None, NEW)
    # Sent again after it was done, it is done; another one needs the password now.
    await users.change_password(fresh.access_token, None, NEW)
    with pytest.raises(Forbidden):
        await users.change_password(fresh.access_token, None, Secret(PASSWORD))
    with pytest.raises(Forbidden):
        await users.delete_account(fresh.access_token, None)
    await users.delete_account(fresh.access_token, NEW)
    assert await browser.prove()


@pytest.mark.usefixtures("side_by_side")
async def test_no_session_is_opened_beside_an_unlinking(
    browser: Browser, users: UsersClient, ada: Tokens, query: Query
) -> None:
    identity = await users.link_identity(ada.access_token, (await browser.prove()).ticket)
    brought = await browser.visit()
    await asyncio.gather(users.unlink_identity(ada.access_token, identity.id), users.finish_sign_in(brought))
    assert await query("SELECT FROM sessions WHERE identity_id IS NOT NULL") == []


@pytest.mark.parametrize("most", [1])
async def test_an_account_has_a_bounded_number_of_identities(
    browser: Browser, users: UsersClient, deps: Deps, most: int
) -> None:
    tokens = await browser.make_account("ada")
    deps.identities._most = most
    with pytest.raises(Conflict):
        await users.link_identity(tokens.access_token, (await browser.prove("globex")).ticket)


async def test_the_session_of_a_deleted_account_links_nothing(
    browser: Browser, users: UsersClient, ada: Tokens, http: httpx.AsyncClient
) -> None:
    unknown = await browser.prove()
    await users.delete_account(ada.access_token, Secret(PASSWORD))
    answer = await http.post(
        "/users/me/identities", json={"ticket": unknown.ticket.reveal()}, headers=bearer(ada.access_token)
    )
    assert answer.status_code == 403


async def test_a_ticket_survives_when_the_provider_is_gone(
    browser: Browser, users: UsersClient, provider: IdentityProvider
) -> None:
    unknown = await browser.prove()
    provider.instead = {path: lambda: pytest.fail("not asked") for path in ("/token", "/jwks")}
    assert await users.sign_up_by_identity(unknown.ticket, "ada")

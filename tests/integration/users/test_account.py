from __future__ import annotations

import asyncio

import httpx
import pytest

from services.kit.errors import Forbidden, TooManyRequests, Unauthenticated
from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.domain import NewApiToken
from services.users.messages import Tokens
from tests.integration.users.conftest import PASSWORD, Query, bearer

pytestmark = pytest.mark.anyio

NEW = Secret("an even longer walk inland")
WRONG = Secret("not the password of anybody")


@pytest.fixture
async def tokens(users: UsersClient) -> Tokens:
    await users.sign_up("ada", Secret(PASSWORD), "ada@example.org")
    return await users.sign_in("ada", Secret(PASSWORD))


async def test_changing_the_password_ends_every_other_session(users: UsersClient, tokens: Tokens) -> None:
    other = await users.sign_in("ada", Secret(PASSWORD))
    await users.change_password(tokens.access_token, Secret(PASSWORD), NEW)
    assert tokens.refresh_token is not None and other.refresh_token is not None
    assert await users.refresh(tokens.refresh_token)
    with pytest.raises(Unauthenticated):
        await users.refresh(other.refresh_token)
    with pytest.raises(Forbidden):
        await users.list_sessions(other.access_token)
    with pytest.raises(Unauthenticated):
        await users.sign_in("ada", Secret(PASSWORD))
    assert await users.sign_in("ada", NEW)


async def test_api_tokens_outlive_a_change_of_the_password_unless_told_otherwise(
    users: UsersClient, tokens: Tokens
) -> None:
    made = await users.create_token(tokens.access_token, NewApiToken(name="cron", scopes=["read"]))
    await users.change_password(tokens.access_token, Secret(PASSWORD), NEW)
    assert await users.exchange_token(made.token)
    await users.change_password(tokens.access_token, NEW, Secret(PASSWORD), revoke_api_tokens=True)
    with pytest.raises(Unauthenticated):
        await users.exchange_token(made.token)


async def test_a_change_that_is_sent_twice_is_done_once(users: UsersClient, tokens: Tokens) -> None:
    for _ in range(2):
        await users.change_password(tokens.access_token, Secret(PASSWORD), NEW)
    assert await users.sign_in("ada", NEW)


@pytest.mark.usefixtures("side_by_side")
async def test_of_two_different_changes_at_the_same_time_one_is_done(
    http: httpx.AsyncClient, users: UsersClient, tokens: Tokens
) -> None:
    passwords = [f"{NEW.reveal()} {number}" for number in range(4)]
    answers = await asyncio.gather(
        *(
            http.put(
                "/users/me/password",
                json={"current_password": PASSWORD, "new_password": password},
                headers=bearer(tokens.access_token),
            )
            for password in passwords
        )
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 403, 409}
    assert await users.sign_in("ada", Secret(passwords[statuses.index(204)]))


async def test_the_current_password_is_asked_for_a_few_times(users: UsersClient, tokens: Tokens) -> None:
    for _ in range(5):
        with pytest.raises(Forbidden):
            await users.change_password(tokens.access_token, WRONG, NEW)
    with pytest.raises(TooManyRequests):
        await users.delete_account(tokens.access_token, WRONG)
    # A thief of an access token has not shut the owner out.
    assert await users.sign_in("ada", Secret(PASSWORD))


async def test_an_api_token_changes_no_password_and_deletes_no_account(
    users: UsersClient, tokens: Tokens
) -> None:
    made = await users.create_token(tokens.access_token, NewApiToken(name="x", scopes=["read", "write"]))
    access = (await users.exchange_token(made.token)).access_token
    with pytest.raises(Forbidden):
        await users.change_password(access, Secret(PASSWORD), NEW)
    with pytest.raises(Forbidden):
        await users.delete_account(access, Secret(PASSWORD))


async def test_deleting_an_account_leaves_nothing_of_it(
    users: UsersClient, tokens: Tokens, query: Query
) -> None:
    made = await users.create_token(tokens.access_token, NewApiToken(name="cron", scopes=["read"]))
    await users.end_other_sessions(tokens.access_token)
    with pytest.raises(Forbidden):
        await users.delete_account(tokens.access_token, WRONG)
    await users.delete_account(tokens.access_token, Secret(PASSWORD))
    await users.delete_account(tokens.access_token, Secret(PASSWORD))
    owned = await query(
        """
        SELECT table_name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name IN ('user_id', 'username')
        """
    )
    tables = {"users", "sessions", "api_tokens", "identities", "audit"}
    assert {row["table_name"] for row in owned} == {*tables, "deleted_accounts"}
    for table in tables:
        assert await query(f"SELECT FROM {table}") == []
    assert await query("SELECT FROM idempotency_keys WHERE scope LIKE 'user %'") == []
    # That there was one, as long as its audit log would have been kept; who it was stands nowhere.
    assert len(await query("SELECT FROM deleted_accounts")) == 1
    assert tokens.refresh_token is not None
    for gone in (
        users.me(tokens.access_token),
        users.refresh(tokens.refresh_token),
        users.exchange_token(made.token),
        users.sign_in("ada", Secret(PASSWORD)),
    ):
        with pytest.raises(Unauthenticated):
            await gone


async def test_a_name_that_was_deleted_is_another_account(users: UsersClient, tokens: Tokens) -> None:
    before = await users.me(tokens.access_token)
    await users.delete_account(tokens.access_token, Secret(PASSWORD))
    after = await users.sign_up("ada", Secret(PASSWORD))
    assert after.id != before.id
    with pytest.raises(Unauthenticated):
        await users.me(tokens.access_token)

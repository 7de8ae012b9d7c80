from __future__ import annotations

import asyncio
import datetime as dt

import httpx
import msgspec
import pytest

from services.kit.errors import Conflict, Forbidden, NotFound, Unauthenticated, Unprocessable
from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.domain import MAX_API_TOKENS, NewApiToken
from tests.integration.users.conftest import PASSWORD, Clock, Query, bearer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def access(users: UsersClient) -> Secret:
    await users.sign_up("ada", Secret(PASSWORD))
    return (await users.sign_in("ada", Secret(PASSWORD))).access_token


async def test_a_token_is_exchanged_for_access_with_its_scopes(users: UsersClient, access: Secret) -> None:
    made = await users.create_token(access, NewApiToken(name="cron", scopes=["read"]))
    assert made.token.reveal().startswith("dlk_")
    tokens = await users.exchange_token(made.token)
    assert (tokens.scope, tokens.refresh_token) == ("read", None)
    assert (await users.me(tokens.access_token)).username == "ada"
    with pytest.raises(Forbidden):
        await users.sign_out(tokens.access_token)


async def test_the_text_of_a_token_is_shown_once(
    http: httpx.AsyncClient, users: UsersClient, access: Secret
) -> None:
    made = await users.create_token(access, NewApiToken(name="cron", scopes=["write", "read"]))
    listed = await http.get("/tokens", headers=bearer(access))
    assert made.token.reveal() not in listed.text
    [token] = await users.list_tokens(access)
    assert (token.name, token.scopes, token.last_used_at) == ("cron", ["read", "write"], None)


async def test_a_token_cannot_make_another_one(users: UsersClient, access: Secret) -> None:
    made = await users.create_token(access, NewApiToken(name="x", scopes=["read", "write"]))
    own = (await users.exchange_token(made.token)).access_token
    for forbidden in (
        users.create_token(own, NewApiToken(name="y", scopes=["read"])),
        users.list_tokens(own),
        users.revoke_token(own, made.api_token.id),
    ):
        with pytest.raises(Forbidden):
            await forbidden


async def test_a_revoked_token_is_good_for_nothing(users: UsersClient, access: Secret) -> None:
    made = await users.create_token(access, NewApiToken(name="cron", scopes=["read"]))
    await users.revoke_token(access, made.api_token.id)
    with pytest.raises(Unauthenticated):
        await users.exchange_token(made.token)
    with pytest.raises(NotFound):
        await users.revoke_token(access, made.api_token.id)


async def test_nobody_revokes_the_token_of_somebody_else(users: UsersClient, access: Secret) -> None:
    made = await users.create_token(access, NewApiToken(name="cron", scopes=["read"]))
    await users.sign_up("eve", Secret(PASSWORD))
    eve = (await users.sign_in("eve", Secret(PASSWORD))).access_token
    with pytest.raises(NotFound):
        await users.revoke_token(eve, made.api_token.id)
    assert await users.exchange_token(made.token)


async def test_an_expired_token_is_refused_and_its_access_ends_with_it(
    users: UsersClient, access: Secret, clock: Clock
) -> None:
    soon = clock() + dt.timedelta(minutes=4)
    made = await users.create_token(access, NewApiToken(name="x", scopes=["read"], expires_at=soon))
    assert 230 <= (await users.exchange_token(made.token)).expires_in <= 240
    clock.advance(minutes=4)
    with pytest.raises(Unauthenticated):
        await users.exchange_token(made.token)


async def test_the_last_use_is_noted_once_a_minute(
    users: UsersClient, access: Secret, clock: Clock, query: Query
) -> None:
    made = await users.create_token(access, NewApiToken(name="x", scopes=["read"]))
    seen = []
    for seconds in (0, 20, 20, 25):
        clock.advance(seconds=seconds)
        await users.exchange_token(made.token)
        [row] = await query("SELECT xmin::text, last_used_at FROM api_tokens")
        seen.append((row["xmin"], row["last_used_at"]))
    assert seen[0] == seen[1] == seen[2]
    assert seen[3][1] - seen[0][1] >= dt.timedelta(seconds=60)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["read"]},
        {"name": "x" * 101, "scopes": ["read"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["admin"]},
        {"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00"},
        {"name": " \n", "scopes": ["read"]},
    ],
)
async def test_a_malformed_token_is_not_made(
    http: httpx.AsyncClient, access: Secret, body: dict[str, object]
) -> None:
    answer = await http.post("/tokens", json=body, headers=bearer(access))
    assert answer.status_code in (400, 422)


@pytest.mark.usefixtures("side_by_side")
async def test_a_user_has_fifty_tokens_at_most_even_when_asking_in_parallel(
    users: UsersClient, access: Secret, query: Query
) -> None:
    await query(
        """
        INSERT INTO api_tokens (user_id, name, scopes, token_hash, created_at)
        SELECT id, 'n' || n, '{read}', sha256(n::text::bytea), now()
        FROM users, generate_series(1, $1::int) AS n
        """,
        MAX_API_TOKENS - 2,
    )
    outcomes = await asyncio.gather(
        *(users.create_token(access, NewApiToken(name=f"x{n}", scopes=["read"])) for n in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 4
    assert len(await users.list_tokens(access)) == MAX_API_TOKENS


async def test_a_name_is_used_once(users: UsersClient, access: Secret) -> None:
    await users.create_token(access, NewApiToken(name="cron", scopes=["read"]))
    with pytest.raises(Conflict):
        await users.create_token(access, NewApiToken(name=" cron ", scopes=["read"]))


@pytest.mark.usefixtures("side_by_side")
async def test_the_same_creation_with_the_same_key_is_answered_the_same_from_nothing_stored(
    http: httpx.AsyncClient, users: UsersClient, access: Secret, query: Query
) -> None:
    headers = {**bearer(access), "idempotency-key": "0d0ffa54"}
    body = {"name": "cron", "scopes": ["read"]}
    answers = await asyncio.gather(*(http.post("/tokens", json=body, headers=headers) for _ in range(4)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert await query("SELECT FROM idempotency_keys") == []
    other = await http.post("/tokens", json={**body, "scopes": ["write"]}, headers=headers)
    assert other.status_code == Unprocessable.status
    made = msgspec.json.decode(answers[0].content)
    await users.revoke_token(access, made["api_token"]["id"])
    again = await http.post("/tokens", json=body, headers=headers)
    assert again.status_code == 201
    assert again.json()["token"] != made["token"]


@pytest.mark.parametrize("text", ["", "dlk_", "dlk_" + "A" * 43, "dlk_" + "A" * 42 + "B", "x" * 100])
async def test_what_is_no_token_is_refused(http: httpx.AsyncClient, access: Secret, text: str) -> None:
    answer = await http.post("/sessions", json={"api_token": text})
    assert answer.status_code == 401

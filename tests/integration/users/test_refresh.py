from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from services.kit.errors import Forbidden, Unauthenticated, Unprocessable
from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.messages import Tokens
from tests.integration.users.conftest import PASSWORD, Clock, Query

pytestmark = pytest.mark.anyio


@pytest.fixture
async def tokens(users: UsersClient) -> Tokens:
    await users.sign_up("ada", Secret(PASSWORD))
    return await users.sign_in("ada", Secret(PASSWORD))


def token_of(tokens: Tokens) -> Secret:
    assert tokens.refresh_token is not None
    return tokens.refresh_token


async def ask(http: httpx.AsyncClient, token: Secret, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return await http.post("/sessions/refresh", json={"refresh_token": token.reveal()}, headers=headers)


async def test_a_refresh_gives_the_next_token_of_the_same_session(users: UsersClient, tokens: Tokens) -> None:
    before = await users.list_sessions(tokens.access_token)
    renewed = await users.refresh(token_of(tokens))
    assert token_of(renewed) != token_of(tokens)
    after = await users.list_sessions(renewed.access_token)
    assert [session.id for session in after] == [session.id for session in before]
    assert await users.refresh(token_of(renewed))


async def test_reuse_of_an_old_token_ends_the_family_and_no_other(
    app: Starlette, users: UsersClient, http: httpx.AsyncClient, tokens: Tokens
) -> None:
    other = await users.sign_in("ada", Secret(PASSWORD))
    second = await users.refresh(token_of(tokens))
    third = await users.refresh(token_of(second))
    reused = await ask(http, token_of(tokens))
    assert (reused.status_code, reused.json()["type"].rsplit("/", 1)[1]) == (401, "invalid-refresh-token")
    with pytest.raises(Unauthenticated):
        await users.refresh(token_of(third))
    counted = app.state.kit.registry.get_sample_value("users_refreshes_total", {"verdict": "reused"})
    assert counted == 1
    assert await users.refresh(token_of(other))


async def test_an_access_token_of_an_ended_family_makes_nothing_lasting(
    users: UsersClient, http: httpx.AsyncClient, tokens: Tokens
) -> None:
    await users.refresh(token_of(tokens))
    await ask(http, token_of(tokens))
    with pytest.raises(Forbidden):
        await users.list_tokens(tokens.access_token)


@pytest.mark.usefixtures("side_by_side")
async def test_two_refreshes_of_one_token_at_the_same_time_end_the_family(
    http: httpx.AsyncClient, tokens: Tokens, query: Query
) -> None:
    answers = await asyncio.gather(*(ask(http, token_of(tokens)) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 4
    assert await query("SELECT FROM sessions") == []
    [winner] = [answer for answer in answers if answer.status_code == 200]
    assert (await ask(http, Secret(winner.json()["refresh_token"]))).status_code == 401


@pytest.mark.usefixtures("side_by_side")
async def test_a_lost_answer_is_given_again_for_the_same_key(
    http: httpx.AsyncClient, tokens: Tokens, query: Query
) -> None:
    answers = await asyncio.gather(*(ask(http, token_of(tokens), "0d0ffa54") for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    renewed = Secret(answers[0].json()["refresh_token"])
    assert await query("SELECT FROM idempotency_keys") == []
    assert (await ask(http, renewed, "8c1b11d0")).status_code == 200
    # The new token was used: who comes with the old one now is not who lost an answer.
    assert (await ask(http, token_of(tokens), "0d0ffa54")).status_code == 401
    assert await query("SELECT FROM sessions") == []


async def test_another_key_is_reuse(http: httpx.AsyncClient, tokens: Tokens, query: Query) -> None:
    assert (await ask(http, token_of(tokens), "0d0ffa54")).status_code == 200
    assert (await ask(http, token_of(tokens), "0d0ffa55")).status_code == 401
    assert await query("SELECT FROM sessions") == []


async def test_a_repetition_comes_within_a_minute(
    http: httpx.AsyncClient, tokens: Tokens, clock: Clock
) -> None:
    assert (await ask(http, token_of(tokens), "0d0ffa54")).status_code == 200
    clock.advance(seconds=61)
    assert (await ask(http, token_of(tokens), "0d0ffa54")).status_code == 401


async def test_a_key_is_for_one_refresh(http: httpx.AsyncClient, users: UsersClient, tokens: Tokens) -> None:
    first = await ask(http, token_of(tokens), "0d0ffa54")
    second = Secret(first.json()["refresh_token"])
    assert (await ask(http, second, "0d0ffa54")).status_code == Unprocessable.status
    assert await users.refresh(second)


async def test_a_session_lives_as_long_as_it_is_used_and_not_for_ever(
    deps: Deps, users: UsersClient, tokens: Tokens, clock: Clock
) -> None:
    for _ in range(6):
        clock.advance(days=29)
        await deps.signer.reload()
        tokens = await users.refresh(token_of(tokens))
    assert tokens.refresh_expires_in is not None
    assert tokens.refresh_expires_in <= 6 * 86_400
    clock.advance(days=7)
    await deps.signer.reload()
    with pytest.raises(Unauthenticated):
        await users.refresh(token_of(tokens))


async def test_a_session_that_nobody_uses_ends(
    deps: Deps, users: UsersClient, tokens: Tokens, clock: Clock
) -> None:
    clock.advance(days=30, seconds=1)
    await deps.signer.reload()
    with pytest.raises(Unauthenticated):
        await users.refresh(token_of(tokens))


async def test_a_token_is_not_spent_while_nothing_can_be_signed(
    deps: Deps, http: httpx.AsyncClient, tokens: Tokens, clock: Clock
) -> None:
    clock.advance(minutes=6)
    for _ in range(2):
        assert (await ask(http, token_of(tokens))).status_code == 503
    await deps.signer.reload()
    assert (await ask(http, token_of(tokens))).status_code == 200


@pytest.mark.parametrize("text", ["", "dlr_", "dlr_AAAA", "dlk_" + "A" * 43, "dlr_" + "A" * 64, "x" * 5_000])
async def test_what_is_no_token_is_refused(http: httpx.AsyncClient, tokens: Tokens, text: str) -> None:
    answer = await ask(http, Secret(text))
    assert answer.status_code == 401
    assert text not in answer.text or not text

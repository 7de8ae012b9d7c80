from __future__ import annotations

import httpx
import pytest

from services.kit.errors import Forbidden, NotFound, Unauthenticated
from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.domain import MAX_SESSIONS, NewApiToken
from tests.integration.users.conftest import PASSWORD, Query, bearer

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def ada(users: UsersClient) -> None:
    await users.sign_up("ada", Secret(PASSWORD))


async def test_the_owner_sees_where_he_is_signed_in(http: httpx.AsyncClient, users: UsersClient) -> None:
    http.headers["user-agent"] = "Phone/1.0"
    await users.sign_in("ada", Secret(PASSWORD))
    http.headers["user-agent"] = "Laptop/2.0 " + "x" * 500
    tokens = await users.sign_in("ada", Secret(PASSWORD))
    laptop, phone = await users.list_sessions(tokens.access_token)
    assert (laptop.current, phone.current) == (True, False)
    assert phone.user_agent == "Phone/1.0"
    assert (laptop.user_agent[:10], len(laptop.user_agent)) == ("Laptop/2.0", 200)


async def test_signing_out_ends_this_session_only(users: UsersClient) -> None:
    here = await users.sign_in("ada", Secret(PASSWORD))
    there = await users.sign_in("ada", Secret(PASSWORD))
    await users.sign_out(here.access_token)
    await users.sign_out(here.access_token)
    assert here.refresh_token is not None and there.refresh_token is not None
    with pytest.raises(Unauthenticated):
        await users.refresh(here.refresh_token)
    assert await users.refresh(there.refresh_token)


async def test_a_session_can_be_ended_from_another_one(users: UsersClient) -> None:
    lost = await users.sign_in("ada", Secret(PASSWORD))
    here = await users.sign_in("ada", Secret(PASSWORD))
    [lost_id] = [each.id for each in await users.list_sessions(here.access_token) if not each.current]
    await users.end_session(here.access_token, lost_id)
    assert lost.refresh_token is not None
    with pytest.raises(Unauthenticated):
        await users.refresh(lost.refresh_token)
    with pytest.raises(NotFound):
        await users.end_session(here.access_token, lost_id)


async def test_nobody_ends_the_session_of_somebody_else(users: UsersClient) -> None:
    ada = await users.sign_in("ada", Secret(PASSWORD))
    [session] = await users.list_sessions(ada.access_token)
    await users.sign_up("eve", Secret(PASSWORD))
    eve = await users.sign_in("eve", Secret(PASSWORD))
    with pytest.raises(NotFound):
        await users.end_session(eve.access_token, session.id)
    assert len(await users.list_sessions(ada.access_token)) == 1


async def test_an_ended_session_sees_and_ends_nothing(users: UsersClient) -> None:
    ended = await users.sign_in("ada", Secret(PASSWORD))
    await users.sign_out(ended.access_token)
    with pytest.raises(Forbidden):
        await users.list_sessions(ended.access_token)
    with pytest.raises(Forbidden):
        await users.create_token(ended.access_token, NewApiToken(name="x", scopes=["read"]))


async def test_the_least_used_session_makes_room(users: UsersClient, query: Query) -> None:
    first = await users.sign_in("ada", Secret(PASSWORD))
    await query(
        """
        INSERT INTO sessions
            (user_id, selector_hash, secret_hash, created_at, refreshed_at, expires_at, ends_at)
        SELECT user_id, sha256(n::text::bytea), secret_hash, created_at, refreshed_at + interval '1 second',
               expires_at, ends_at
        FROM sessions, generate_series(1, $1::int) AS n
        """,
        MAX_SESSIONS - 1,
    )
    await users.sign_in("ada", Secret(PASSWORD))
    [row] = await query("SELECT count(*) AS n FROM sessions")
    assert row["n"] == MAX_SESSIONS
    assert first.refresh_token is not None


async def test_sessions_are_for_signed_in_people(http: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/sessions"), ("DELETE", "/sessions/current"), ("DELETE", "/sessions/1")):
        assert (await http.request(method, path)).status_code == 401
        answer = await http.request(method, path, headers=bearer(Secret("dlk_" + "A" * 43)))
        assert answer.status_code == 401

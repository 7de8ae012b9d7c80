from __future__ import annotations

import asyncio

import argon2
import httpx
import pytest
from starlette.applications import Starlette

from services.kit.errors import TooManyRequests, Unauthenticated
from services.kit.settings import Secret
from services.users import throttle
from services.users.client import UsersClient
from services.users.deps import Deps
from tests.integration.users.conftest import PASSWORD, Clock, Query

pytestmark = pytest.mark.anyio

WRONG = "not the password of anybody"


def hashes(app: Starlette) -> float:
    """How many hashes were verified so far, for known and for unknown users."""
    value = app.state.kit.registry.get_sample_value
    known: float = value("users_password_hashes_total", {"purpose": "verify"})
    unknown: float = value("users_password_hashes_total", {"purpose": "verify-unknown"})
    return known + unknown


async def attempt(http: httpx.AsyncClient, username: str, password: str, address: str) -> httpx.Response:
    return await http.post(
        "/sessions",
        json={"username": username, "password": password},
        headers={"x-forwarded-for": address},
    )


async def test_an_unknown_user_and_a_wrong_password_are_answered_alike_after_the_same_work(
    app: Starlette, http: httpx.AsyncClient, users: UsersClient
) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    answers = []
    for username in ("ada", "nobody-here", "x", "Not A Name!", "admin"):
        before = hashes(app)
        answer = await attempt(http, username, WRONG, "192.0.2.1")
        told = {**answer.json(), "trace_id": ""}
        answers.append((answer.status_code, told, dict(answer.headers), hashes(app) - before))
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][3] == 1


async def test_the_right_password_is_not_stored_by_an_answer(
    http: httpx.AsyncClient, users: UsersClient
) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    answer = await attempt(http, "ada", PASSWORD, "192.0.2.1")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert answer.json()["scope"] == "read write"
    assert 590 <= answer.json()["expires_in"] <= 600


@pytest.mark.parametrize(
    "body",
    [
        {"username": "ada"},
        {"password": PASSWORD},
        {"username": "ada", "password": PASSWORD, "api_token": "dlk_x"},
        {},
        {"username": "ada", "password": PASSWORD, "remember": True},
    ],
)
async def test_a_sign_in_is_by_password_or_by_token_and_nothing_else(
    http: httpx.AsyncClient, body: dict[str, object]
) -> None:
    answer = await http.post("/sessions", json=body)
    assert answer.status_code == 400
    assert PASSWORD not in answer.text


async def test_guesses_from_one_address_are_refused_and_the_owner_elsewhere_is_not(
    http: httpx.AsyncClient, users: UsersClient, clock: Clock
) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    for _ in range(5):
        assert (await attempt(http, "ada", WRONG, "192.0.2.66")).status_code == 401
    refused = await attempt(http, "ada", PASSWORD, "192.0.2.66")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await attempt(http, "ada", PASSWORD, "198.51.100.1")).status_code == 201
    clock.advance(seconds=int(refused.headers["retry-after"]))
    assert (await attempt(http, "ada", PASSWORD, "192.0.2.66")).status_code == 201


async def test_a_name_that_does_not_exist_is_throttled_like_one_that_does(
    http: httpx.AsyncClient, users: UsersClient
) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    seen = []
    for username in ("ada", "nobody-here"):
        answers = [await attempt(http, username, WRONG, f"192.0.2.{len(username)}") for _ in range(7)]
        seen.append([answer.status_code for answer in answers])
    assert seen[0] == seen[1] == [401] * 5 + [429] * 2


@pytest.mark.usefixtures("side_by_side")
async def test_parallel_guesses_are_counted_before_they_are_tried(
    app: Starlette, http: httpx.AsyncClient
) -> None:
    answers = await asyncio.gather(*(attempt(http, "ada", WRONG, "192.0.2.1") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 15
    assert hashes(app) == 5


async def test_right_passwords_cost_no_attempts(http: httpx.AsyncClient, users: UsersClient) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    for _ in range(3):
        for _ in range(4):
            assert (await attempt(http, "ada", WRONG, "192.0.2.1")).status_code == 401
        assert (await attempt(http, "ada", PASSWORD, "192.0.2.1")).status_code == 201


@pytest.mark.parametrize("setting", [{"sign_in_address_burst": 4}])
async def test_many_accounts_from_one_address_are_refused(http: httpx.AsyncClient) -> None:
    answers = [await attempt(http, f"name-{number}", WRONG, "2001:db8::1") for number in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429]
    # Somebody's whole IPv6 network is one address.
    assert (await attempt(http, "ada", WRONG, "2001:db8::ffff")).status_code == 429
    assert (await attempt(http, "ada", WRONG, "2001:db8:0:1::1")).status_code == 401


async def test_an_attack_from_many_addresses_slows_the_owner_down_and_never_shuts_him_out(
    deps: Deps, http: httpx.AsyncClient, users: UsersClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(deps.slowing, "_sleep", sleep)
    for number in range(300):
        await deps.throttle.delay("ada", now=deps.clock())
        if number < 40:
            assert waited == []
    answer = await attempt(http, "ada", PASSWORD, "198.51.100.1")
    assert answer.status_code == 201
    assert waited == [throttle.MAX_DELAY.total_seconds()]


async def test_the_throttle_outlives_the_process(
    settings: object, http: httpx.AsyncClient, users: UsersClient, query: Query
) -> None:
    for _ in range(5):
        await attempt(http, "ada", WRONG, "192.0.2.1")
    rows = await query("SELECT key FROM throttle")
    # The pair, the address and the account; no name and no address in clear.
    assert len(rows) == 3
    assert all(len(row["key"]) == 32 for row in rows)


async def test_a_hash_with_older_parameters_is_renewed_at_sign_in(users: UsersClient, query: Query) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    old = argon2.PasswordHasher(1, 8 * 1024, 1).hash(PASSWORD)
    await query("UPDATE users SET password_hash = $1", old)
    await users.sign_in("ada", Secret(PASSWORD))
    [row] = await query("SELECT password_hash FROM users")
    assert row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await users.sign_in("ada", Secret(PASSWORD))


async def test_the_same_letters_from_another_keyboard_are_the_same_password(users: UsersClient) -> None:
    await users.sign_up("ada", Secret("cafe\u0301 au lait, s'il vous plait"))
    assert await users.sign_in("ada", Secret("caf\u00e9 au lait, s'il vous plait"))


@pytest.mark.parametrize("setting", [{"argon2_concurrency": 1, "argon2_queue": 1}])
async def test_a_flood_of_passwords_is_answered_503_and_costs_no_attempt(
    http: httpx.AsyncClient, users: UsersClient
) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    answers = await asyncio.gather(*(attempt(http, "ada", PASSWORD, f"192.0.2.{n}") for n in range(12)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {201, 503}
    shed = next(answer for answer in answers if answer.status_code == 503)
    assert int(shed.headers["retry-after"]) >= 1
    for _ in range(3):
        assert await users.sign_in("ada", Secret(PASSWORD), forwarded_for="192.0.2.1")


async def test_a_session_that_began_with_a_password_changed_meanwhile_is_not_opened(
    deps: Deps, users: UsersClient, query: Query
) -> None:
    user = await users.sign_up("ada", Secret(PASSWORD))
    account = await deps.users.by_id(user.id)
    assert account is not None
    await query("UPDATE users SET password_changed_at = now() + interval '1 second'")
    assert (
        await deps.sessions.open_by_password(user.id, account.password_changed_at, "", deps.clock()) is None
    )


async def test_wrong_credentials_are_told_apart_from_throttling_by_the_client(users: UsersClient) -> None:
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await users.sign_in("ada", Secret(WRONG))
    with pytest.raises(TooManyRequests):
        await users.sign_in("ada", Secret(WRONG))

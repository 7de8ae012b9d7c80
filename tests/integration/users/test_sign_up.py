from __future__ import annotations

import asyncio

import httpx
import pytest

from services.kit.errors import Conflict, TooManyRequests, Unprocessable
from services.kit.settings import Secret
from services.users.client import UsersClient
from tests.integration.users.conftest import PASSWORD, Query

pytestmark = pytest.mark.anyio


def body(username: str = "ada", password: str = PASSWORD) -> dict[str, str]:
    return {"username": username, "password": password}


async def test_an_account_is_made_under_its_folded_name(users: UsersClient) -> None:
    user = await users.sign_up("Ada_L", Secret(PASSWORD), "ada@example.org")
    assert (user.username, user.email) == ("ada_l", "ada@example.org")
    tokens = await users.sign_in("ADA_l", Secret(PASSWORD))
    assert await users.me(tokens.access_token) == user


async def test_a_name_is_taken_whatever_its_case(users: UsersClient) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    with pytest.raises(Conflict):
        await users.sign_up("ADA", Secret("another password entirely"))


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"username": "ab"}, "/username"),
        ({"username": "a b c"}, "/username"),
        ({"username": "admin"}, "/username"),
        ({"password": "short"}, "/password"),
        ({"password": "password1234"}, "/password"),
        ({"email": "nowhere"}, "/email"),
    ],
)
async def test_a_broken_rule_is_answered_with_the_field_and_without_its_value(
    http: httpx.AsyncClient, changed: dict[str, str], pointer: str
) -> None:
    answer = await http.post("/users", json=body() | changed)
    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
    if pointer == "/password":
        assert changed["password"] not in answer.text


@pytest.mark.usefixtures("side_by_side")
async def test_of_concurrent_sign_ups_with_one_name_one_wins(http: httpx.AsyncClient, query: Query) -> None:
    answers = await asyncio.gather(
        *(http.post("/users", json=body("Ada", f"{PASSWORD} {number}")) for number in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(await query("SELECT FROM users")) == 1


@pytest.mark.usefixtures("side_by_side")
async def test_the_same_sign_up_with_the_same_key_is_answered_the_same(
    http: httpx.AsyncClient, query: Query
) -> None:
    headers = {"idempotency-key": "0d0ffa54"}
    answers = await asyncio.gather(*(http.post("/users", json=body(), headers=headers) for _ in range(4)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert len(await query("SELECT FROM users")) == 1
    # The kit would have kept a fast hash of a body with a password in it.
    assert await query("SELECT FROM idempotency_keys") == []


@pytest.mark.parametrize("changed", [{"username": "eve"}, {"password": "another password"}])
async def test_another_sign_up_with_the_same_key_is_refused(
    http: httpx.AsyncClient, changed: dict[str, str], query: Query
) -> None:
    headers = {"idempotency-key": "0d0ffa54"}
    assert (await http.post("/users", json=body(), headers=headers)).status_code == 201
    assert (await http.post("/users", json=body() | changed, headers=headers)).status_code == 422
    assert len(await query("SELECT FROM users")) == 1


@pytest.mark.parametrize("setting", [{"sign_up_burst": 3}])
async def test_asking_which_names_are_taken_is_throttled_by_address(users: UsersClient) -> None:
    await users.sign_up("ada", Secret(PASSWORD), forwarded_for="192.0.2.1")
    for _ in range(2):
        with pytest.raises(Conflict):
            await users.sign_up("ada", Secret(PASSWORD), forwarded_for="192.0.2.1")
    with pytest.raises(TooManyRequests):
        await users.sign_up("eve", Secret(PASSWORD), forwarded_for="192.0.2.1")
    # An address that the client wrote itself, left of the gateway's, changes nothing.
    with pytest.raises(TooManyRequests):
        await users.sign_up("eve", Secret(PASSWORD), forwarded_for="203.0.113.9, 192.0.2.1")
    assert await users.sign_up("eve", Secret(PASSWORD), forwarded_for="192.0.2.2")


async def test_an_unfit_password_costs_no_attempt_and_no_hash(users: UsersClient) -> None:
    for _ in range(30):
        with pytest.raises(Unprocessable):
            await users.sign_up("ada", Secret("short"))
    assert await users.sign_up("ada", Secret(PASSWORD))

"""Access tokens at the door of the sample service."""

import time
from typing import Any

import httpx
import pytest

from tests.access_tokens import TokenMint

pytestmark = pytest.mark.anyio


async def test_without_a_token_it_is_401_with_a_challenge(sample: httpx.AsyncClient) -> None:
    answer = await sample.get("/notes")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -60.0},
        {"nbf": 60.0},
        {"iat": 60.0},
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": ["another"]},
        {"sub": "ann"},
        {"sub": "-1"},
        {"exp": "never"},
        {"iss": None},
    ],
)
async def test_a_token_that_does_not_say_what_it_must_is_401(
    sample: httpx.AsyncClient, token_mint: TokenMint, claims: dict[str, Any]
) -> None:
    # Times stand as seconds from now, which is when the test runs.
    claims = {k: time.time() + v if isinstance(v, float) else v for k, v in claims.items()}
    answer = await sample.get("/notes", headers=token_mint.headers(**claims))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_forged_token_is_401(sample: httpx.AsyncClient, token_mint: TokenMint) -> None:
    forged = TokenMint(kid=token_mint.kid)
    assert (await sample.get("/notes", headers=forged.headers())).status_code == 401
    head, payload, signature = token_mint.token().split(".")
    for token in (f"{head}.{payload}.", f"{head}.{payload}.{signature[:-4]}AAAA", "x", "a.b.c", "x" * 9_000):
        answer = await sample.get("/notes", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token


async def test_the_headers_of_a_mesh_are_not_trusted(sample: httpx.AsyncClient) -> None:
    headers = {"x-forwarded-client-cert": "By=x;URI=spiffe://y", "x-jwt-payload": "eyJzdWIiOiIxIn0"}
    assert (await sample.get("/notes", headers=headers)).status_code == 401


async def test_a_token_without_the_scope_is_403(sample: httpx.AsyncClient, token_mint: TokenMint) -> None:
    reader = token_mint.headers(scopes=["read"])
    assert (await sample.get("/notes", headers=reader)).status_code == 200
    answer = await sample.post("/notes", json={"text": "a"}, headers=reader)
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="write"'


async def test_a_public_endpoint_knows_who_says_so_and_refuses_a_wrong_token(
    sample: httpx.AsyncClient, token_mint: TokenMint
) -> None:
    assert (await sample.get("/whoami")).json() == []
    assert (await sample.get("/whoami", headers=token_mint.headers(name="bob"))).json() == ["bob"]
    assert (await sample.get("/whoami", headers={"authorization": "Bearer x"})).status_code == 401

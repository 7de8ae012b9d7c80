from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from typing import Any

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.domain import SESSION_SCOPES, Grant
from services.users.messages import Tokens
from tests.access_tokens import AUDIENCE, ISSUER
from tests.integration.users.conftest import PASSWORD

pytestmark = pytest.mark.anyio


@pytest.fixture
async def tokens(users: UsersClient) -> Tokens:
    await users.sign_up("ada", Secret(PASSWORD))
    return await users.sign_in("ada", Secret(PASSWORD))


async def status(http: httpx.AsyncClient, token: str) -> int:
    return (await http.get("/users/me", headers={"authorization": f"Bearer {token}"})).status_code


def parts(token: Secret) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.reveal().split(".")
    return decoded(header), decoded(claims)


def decoded(part: str) -> dict[str, Any]:
    return msgspec.json.decode(base64.urlsafe_b64decode(part + "=="), type=dict[str, Any])


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()


async def test_an_access_token_says_what_was_agreed(users: UsersClient, tokens: Tokens, deps: Deps) -> None:
    user = await users.me(tokens.access_token)
    header, claims = parts(tokens.access_token)
    assert (header["alg"], header["kid"] in deps.signer.jwks.decode()) == ("ES256", True)
    assert set(claims) == {"iss", "aud", "sub", "name", "scope", "iat", "exp", "jti", "sid"}
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, AUDIENCE, str(user.id))
    assert (claims["name"], claims["scope"], claims["exp"] - claims["iat"]) == ("ada", "read write", 600)
    known = KeySet.import_key_set(msgspec.json.decode(deps.signer.jwks))
    assert jwt.decode(tokens.access_token.reveal(), known, algorithms=["ES256"]).claims == claims


async def test_a_forged_token_is_refused(http: httpx.AsyncClient, tokens: Tokens, deps: Deps) -> None:
    header, claims = parts(tokens.access_token)
    own = ECKey.generate_key("P-256", {"kid": header["kid"]})
    assert await status(http, tokens.access_token.reveal()) == 200
    assert await status(http, jwt.encode(header, claims, own, algorithms=["ES256"])) == 401
    head, _, signature = tokens.access_token.reveal().split(".")
    assert await status(http, f"{head}.{encoded({**claims, 'sub': '2'})}.{signature}") == 401
    for unsigned in ("", signature):
        for algorithm in ("none", "None"):
            forged = f"{encoded({'alg': algorithm, 'kid': header['kid']})}.{encoded(claims)}.{unsigned}"
            assert await status(http, forged) == 401
    embedded = {**header, "jwk": own.as_dict(private=False), "jku": "http://attacker.example/"}
    forged = f"{encoded(embedded)}.{encoded(claims)}.{signature}"
    assert await status(http, forged) == 401


async def test_the_public_key_is_no_shared_secret(
    http: httpx.AsyncClient, tokens: Tokens, deps: Deps
) -> None:
    header, claims = parts(tokens.access_token)
    [entry] = [key for key in msgspec.json.decode(deps.signer.jwks)["keys"] if key["kid"] == header["kid"]]
    public = ECKey.import_key(entry)
    for secret in (public.as_pem(private=False), public.as_der(private=False), msgspec.json.encode(entry)):
        # The library refuses to sign with a PEM, so the attack is written out here.
        signed = f"{encoded({'alg': 'HS256', 'kid': header['kid']})}.{encoded(claims)}"
        mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
        forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert await status(http, forged) == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://somebody.example"},
        {"aud": "somebody-else"},
        {"exp": 1},
        {"iat": 4_000_000_000, "exp": 4_000_000_600},
        {"sub": "ada"},
        {"scope": ""},
    ],
)
async def test_a_well_signed_token_that_is_not_for_this_moment_and_place_is_refused(
    http: httpx.AsyncClient, tokens: Tokens, deps: Deps, changed: dict[str, object]
) -> None:
    header, claims = parts(tokens.access_token)
    assert deps.signer._keys is not None
    key = deps.signer._keys.private
    assert await status(http, jwt.encode(header, claims, key, algorithms=["ES256"])) == 200
    expected = 403 if "scope" in changed else 401
    assert (
        await status(http, jwt.encode(header, {**claims, **changed}, key, algorithms=["ES256"])) == expected
    )


async def test_a_token_of_an_expired_hour_is_refused(
    http: httpx.AsyncClient, users: UsersClient, tokens: Tokens, deps: Deps
) -> None:
    user = await users.me(tokens.access_token)
    over = Grant(user.id, "ada", SESSION_SCOPES, 1, deps.clock() - dt.timedelta(seconds=30))
    assert await status(http, deps.signer.sign(over).text.reveal()) == 401

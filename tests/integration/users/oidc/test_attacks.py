"""What an attacker, or a liar among the providers, would send."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.responses import JSONResponse

from services.kit.errors import FailedDependency, Forbidden, NotFound, Unprocessable
from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.oidc.attempt import Attempt
from tests.identity_provider import IdentityProvider
from tests.integration.users.conftest import PASSWORD, Clock, Query
from tests.integration.users.oidc.conftest import Browser

pytestmark = pytest.mark.anyio


async def test_an_answer_is_good_once(browser: Browser, users: UsersClient) -> None:
    brought = await browser.visit()
    assert (await users.finish_sign_in(brought)).linking
    with pytest.raises(Unprocessable):
        await users.finish_sign_in(brought)


@pytest.mark.usefixtures("side_by_side")
async def test_of_two_answers_at_the_same_time_one_is_taken(browser: Browser, users: UsersClient) -> None:
    brought = await browser.visit()
    ends = await asyncio.gather(*(users.finish_sign_in(brought) for _ in range(4)), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["SignInFinished", *["Unprocessable"] * 3]


async def test_a_code_that_was_used_is_refused_by_the_provider(browser: Browser, users: UsersClient) -> None:
    first = await browser.visit()
    await users.finish_sign_in(first)
    with pytest.raises(Forbidden, match="invalid_grant"):
        await users.finish_sign_in(await browser.visit(code=first.code))


async def test_a_code_of_somebody_elses_sign_in_fails_by_pkce(browser: Browser, users: UsersClient) -> None:
    stolen = await browser.visit()
    with pytest.raises(Forbidden, match="invalid_grant"):
        await users.finish_sign_in(await browser.visit(code=stolen.code))


async def test_an_answer_counts_only_in_the_browser_that_began(browser: Browser, users: UsersClient) -> None:
    attacker, victim = await browser.visit(), await browser.visit()
    for transaction in (victim.transaction, Secret("dlo_" + "A" * 43), Secret("nonsense")):
        with pytest.raises(Unprocessable):
            await users.finish_sign_in(
                type(attacker)(
                    transaction=transaction, provider="acme", code=attacker.code, state=attacker.state
                )
            )
    # Neither sign-in was harmed by that.
    assert (await users.finish_sign_in(victim)).linking
    assert (await users.finish_sign_in(attacker)).linking


async def test_a_sign_in_that_takes_too_long_is_over(
    browser: Browser, users: UsersClient, deps: Deps, clock: Clock
) -> None:
    brought = await browser.visit()
    clock.advance(minutes=11)
    await deps.signer.reload()
    with pytest.raises(Unprocessable):
        await users.finish_sign_in(brought)


async def test_the_answer_of_one_provider_is_not_taken_for_that_of_another(
    browser: Browser, users: UsersClient, other_provider: IdentityProvider
) -> None:
    """The mix-up: `globex` sends the browser on to `acme`, and hopes that we show it acme's code."""
    brought = await browser.visit("acme")
    began_elsewhere = await browser.visit("globex")
    for changed in (
        {"provider": "globex"},
        {"transaction": began_elsewhere.transaction, "state": began_elsewhere.state},
    ):
        with pytest.raises(Unprocessable):
            await users.finish_sign_in(_replaced(brought, **changed))
    assert "/token" not in other_provider.asked


async def test_an_answer_that_names_another_issuer_is_refused(
    browser: Browser, users: UsersClient, provider: IdentityProvider, other_provider: IdentityProvider
) -> None:
    with pytest.raises(Forbidden):
        await users.finish_sign_in(await browser.visit(iss=other_provider.issuer))
    assert (await users.finish_sign_in(await browser.visit(iss=provider.issuer))).linking


async def test_a_provider_that_says_it_names_itself_has_to(
    browser: Browser, users: UsersClient, provider: IdentityProvider
) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    with pytest.raises(Forbidden):
        await users.finish_sign_in(await browser.visit())
    assert (await users.finish_sign_in(await browser.visit(iss=provider.issuer))).linking
    assert "/token" in provider.asked


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": ["another-client"]},
        {"aud": []},
        {"aud": ["delinkcious", "another-client"]},
        {"aud": ["delinkcious", "another-client"], "azp": "another-client"},
        {"azp": "another-client"},
        {"nonce": "another nonce"},
        {"nonce": None},
        {"exp": -timedelta(hours=1)},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": timedelta(hours=1)},
        {"nbf": timedelta(hours=1)},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 7},
        {"sub": "a\0b"},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(
    browser: Browser, provider: IdentityProvider, claims: dict[str, Any], query: Query
) -> None:
    provider.claims = {
        name: int(time.time() + value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }
    with pytest.raises(Forbidden, match="proves nothing"):
        await browser.sign_in()
    assert await query("SELECT FROM oidc_tickets") == []


async def test_a_further_audience_is_fine_when_the_token_was_issued_to_us(
    browser: Browser, provider: IdentityProvider
) -> None:
    provider.claims = {"aud": ["delinkcious", "another-client"], "azp": "delinkcious"}
    assert await browser.prove()


async def test_a_token_signed_by_a_key_that_is_not_published_is_refused(
    browser: Browser, provider: IdentityProvider
) -> None:
    provider.published = provider.jwks["keys"]
    provider.rotate(provider.kid)
    with pytest.raises(Forbidden, match="proves nothing"):
        await browser.sign_in()


async def test_unknown_keys_do_not_make_us_ask_again_and_again(
    browser: Browser, provider: IdentityProvider
) -> None:
    await browser.prove()
    for number in range(3):
        provider.kid = f"unknown-{number}"
        provider.published = []
        with pytest.raises(Forbidden):
            await browser.sign_in()
    assert provider.asked.count("/jwks") == 1


def compact(header: dict[str, str], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token that no library would make."""

    def encode(part: bytes) -> bytes:
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    signed = encode(msgspec.json.encode(header)) + b"." + encode(msgspec.json.encode(claims))
    return (signed + b"." + encode(sign(signed))).decode()


def forged(provider: IdentityProvider, nonce: str, how: str) -> str:
    now = int(time.time())
    claims = {
        "iss": provider.issuer,
        "aud": "delinkcious",
        "sub": "victim",
        "nonce": nonce,
        "iat": now,
        "exp": now + 600,
    }
    if how == "none":
        return compact({"alg": "none", "kid": provider.kid}, claims, lambda _: b"")
    if how == "hmac with the public key":
        pem = provider.key.as_pem(private=False)
        header = {"alg": "HS256", "kid": provider.kid}
        return compact(header, claims, lambda signed: hmac.digest(pem, signed, "sha256"))
    if how == "hmac with the client secret":
        shared = OctKey.import_key("between the two of us, and longer than it was")
        return jwt.encode({"alg": "HS256"}, claims, shared)
    if how == "a key in the header":
        mine = RSAKey.generate_key(2048)
        return jwt.encode({"alg": "RS256", "jwk": mine.as_dict(private=False)}, claims, mine)
    return how


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    "how",
    [
        "none",
        "hmac with the public key",
        "hmac with the client secret",
        "a key in the header",
        "",
        "a.b",
        "a.b.c",
        "..",
        "é.é.é",
        "a.b.c.d.e",
    ],
)
async def test_a_forged_token_is_refused(
    browser: Browser, users: UsersClient, deps: Deps, provider: IdentityProvider, how: str
) -> None:
    brought = await browser.visit()
    attempt = Attempt.parse(brought.transaction, deps.attempts.pepper)
    assert attempt is not None
    token = forged(provider, attempt.nonce, how)
    provider.instead["/token"] = lambda: JSONResponse({"access_token": "x", "id_token": token})
    with pytest.raises(Forbidden, match="proves nothing"):
        await users.finish_sign_in(brought)


async def test_a_published_symmetric_key_is_no_key(
    browser: Browser, users: UsersClient, deps: Deps, provider: IdentityProvider
) -> None:
    provider.published = [{**OctKey.generate_key(256).as_dict(private=True), "kid": provider.kid}]
    with pytest.raises(FailedDependency):
        await browser.sign_in()


async def test_an_address_that_is_not_verified_is_nobodys(
    browser: Browser, users: UsersClient, provider: IdentityProvider
) -> None:
    await users.sign_up("ada", Secret(PASSWORD), "ada@acme.example")
    for value in (False, None, "true", 1):
        provider.person["email_verified"] = value
        unknown = await browser.prove()
        assert (unknown.email, unknown.account_exists) == (None, False)
    del provider.person["email_verified"]
    made = await browser.make_account("eve")
    assert (await users.me(made.access_token)).email is None


async def test_userinfo_about_somebody_else_is_refused(browser: Browser, provider: IdentityProvider) -> None:
    provider.email_in_token = False
    told = {"sub": "person-2", "email": "ada@acme.example", "email_verified": True}
    provider.instead["/userinfo"] = lambda: JSONResponse(told)
    with pytest.raises(FailedDependency):
        await browser.sign_in()


@pytest.mark.parametrize("setting", [{}])
async def test_without_providers_there_is_nobody_to_sign_in_with(users: UsersClient) -> None:
    assert await users.list_providers() == []
    with pytest.raises(NotFound):
        await users.begin_sign_in("acme")


async def test_sign_ins_begun_from_one_address_are_counted(
    http: httpx.AsyncClient, provider: IdentityProvider, clock: Clock
) -> None:
    clock.stop()
    sent = [
        await http.post("/sessions/oidc", json={"provider": "acme"}, headers={"x-forwarded-for": "192.0.2.1"})
        for _ in range(31)
    ]
    assert [answer.status_code for answer in sent] == [201] * 30 + [429]
    assert sent[0].headers["cache-control"] == "no-store"


async def test_tickets_are_guessed_in_vain(users: UsersClient) -> None:
    for guess in ("", "dli_", "dli_" + "A" * 43, "dlo_" + "A" * 43):
        with pytest.raises(Unprocessable):
            await users.sign_up_by_identity(Secret(guess), "eve")


async def test_a_ticket_is_not_good_for_long(
    browser: Browser, users: UsersClient, deps: Deps, clock: Clock
) -> None:
    unknown = await browser.prove()
    clock.advance(minutes=11)
    await deps.signer.reload()
    with pytest.raises(Unprocessable):
        await users.sign_up_by_identity(unknown.ticket, "ada")


def _replaced(brought: Any, **changed: Any) -> Any:
    values = {name: getattr(brought, name) for name in brought.__struct_fields__}
    return type(brought)(**{**values, **changed})

"""What an attacker, a liar among the providers or a bad day would send."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from services.kit.errors import FailedDependency, Forbidden, NotFound, Unprocessable
from services.kit.settings import Secret
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.oidc.attempt import Attempt
from services.users.oidc.directory import FAILURE_KEPT_S
from services.users.oidc.http import MAX_ANSWER_BYTES, open_provider_http
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
        {"exp": int(time.time()) - 3_600},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": int(time.time()) + 3_600},
        {"nbf": int(time.time()) + 3_600},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 7},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(
    browser: Browser, provider: IdentityProvider, claims: dict[str, Any], query: Query
) -> None:
    provider.claims = claims
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


WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(status_code=500),
        lambda: Response(status_code=404),
        lambda: Response("<html>"),
        lambda: Response("[" * 100_000),
        lambda: JSONResponse([]),
        lambda: JSONResponse({"issuer": "x"}),
        lambda: RedirectResponse("http://127.0.0.1:1/"),
        lambda: Response("x" * (MAX_ANSWER_BYTES + 1)),
        lambda: Response(b"\xff\xfe"),
    ],
)
async def test_a_provider_that_publishes_nonsense_is_a_bad_gateway(
    users: UsersClient, provider: IdentityProvider, answer: Callable[[], Response]
) -> None:
    provider.instead[WELL_KNOWN] = answer
    with pytest.raises(FailedDependency):
        await users.begin_sign_in("acme")


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://169.254.169.254/latest"},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": "https://user:password@acme.example/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": "http://internal/"},
        {"code_challenge_methods_supported": ["plain"]},
        {"response_types_supported": ["id_token"]},
    ],
    ids=str,
)
async def test_a_provider_that_cannot_be_trusted_is_a_bad_gateway(
    users: UsersClient, provider: IdentityProvider, lie: dict[str, Any]
) -> None:
    provider.metadata = lie
    with pytest.raises(FailedDependency):
        await users.begin_sign_in("acme")
    assert await users.begin_sign_in("globex")


async def test_a_provider_that_is_down_or_hangs_is_unavailable_and_not_asked_again_at_once(
    users: UsersClient, deps: Deps, provider: IdentityProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = deps.relying_party._directories["acme"]
    provider.instead[WELL_KNOWN] = hang
    monkeypatch.setattr(directory._http, "_timeout_s", 0.2)
    for _ in range(3):
        with pytest.raises(FailedDependency, match="did not answer in time"):
            await users.begin_sign_in("acme")
    assert provider.asked in ([WELL_KNOWN], [])
    monkeypatch.undo()
    provider.instead.clear()
    clock.advance(seconds=FAILURE_KEPT_S + 1)
    assert await users.begin_sign_in("acme")


def hang() -> Response:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    return StreamingResponse(never())


async def test_a_provider_that_cannot_be_reached_is_unavailable(free_port: Callable[[], int]) -> None:
    async with open_provider_http() as http:
        with pytest.raises(FailedDependency, match="cannot be reached"):
            await http.ask("GET", f"http://127.0.0.1:{free_port()}/")


async def test_a_provider_that_hangs_holds_a_few_places_only(
    provider: IdentityProvider, other_provider: IdentityProvider
) -> None:
    provider.instead["/jwks"] = hang
    async with open_provider_http() as http:
        places = http._places
        waiting = [asyncio.create_task(http.ask("GET", f"{provider.issuer}/jwks")) for _ in range(places)]
        while http._busy.total() < places:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)
        with pytest.raises(FailedDependency, match="many sign-ins"):
            await http.ask("GET", f"{provider.issuer}/jwks")
        assert (await http.ask("GET", f"{other_provider.issuer}/jwks")).status == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert http._busy.total() == 0


@pytest.mark.parametrize("path", ["/token", "/jwks", "/userinfo"])
@pytest.mark.parametrize("answer", [lambda: Response(status_code=503), lambda: Response("x" * 10**6)])
async def test_a_provider_that_breaks_later_is_a_bad_gateway_and_the_next_sign_in_works(
    browser: Browser, provider: IdentityProvider, clock: Clock, path: str, answer: Callable[[], Response]
) -> None:
    provider.email_in_token = False
    provider.instead[path] = answer
    with pytest.raises(FailedDependency):
        await browser.sign_in()
    del provider.instead[path]
    clock.advance(seconds=FAILURE_KEPT_S + 1)
    assert await browser.prove()


@pytest.mark.parametrize("setting", [{}])
async def test_without_providers_there_is_nobody_to_sign_in_with(users: UsersClient) -> None:
    assert await users.list_providers() == []
    with pytest.raises(NotFound):
        await users.begin_sign_in("acme")


async def test_sign_ins_begun_from_one_address_are_counted(
    http: httpx.AsyncClient, provider: IdentityProvider
) -> None:
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

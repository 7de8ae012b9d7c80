"""The verifier's keys and memory; the tokens themselves are tested at a service's door."""

import asyncio
import base64
import json
import time

import pytest

from services.kit import auth
from services.kit.auth import Principal, Verifier
from services.kit.errors import Unauthenticated, Unavailable
from tests.access_tokens import AUDIENCE, ISSUER, TokenMint

pytestmark = pytest.mark.anyio


class Clock:
    """A time that moves when told, around the real one (tokens are minted by that)."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Where keys come from; counts how often it is asked, and fails while `down`."""

    def __init__(self, mint: TokenMint) -> None:
        self.mint = mint
        self.asked = 0
        self.down = False

    async def fetch(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("down")
        return self.mint.jwks


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(TokenMint("first"))


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> Verifier:
    return Verifier(issuer.fetch, issuer=ISSUER, audience=AUDIENCE, now=clock)


def bearer(mint: TokenMint, user_id: int = 1) -> str:
    return mint.headers(user_id)["authorization"]


async def test_keys_are_fetched_once_for_many_at_the_same_time(verifier: Verifier, issuer: Issuer) -> None:
    headers = [bearer(issuer.mint, user_id) for user_id in (1, 2, 3)]
    principals = await asyncio.gather(*map(verifier.principal, headers))
    assert principals[1] == Principal(2, "ann", frozenset({"read", "write"}))
    assert issuer.asked == 1


async def test_a_new_key_is_learnt_when_its_first_token_comes(
    verifier: Verifier, issuer: Issuer, clock: Clock
) -> None:
    await verifier.principal(bearer(issuer.mint))
    issuer.mint = TokenMint("second")
    clock.now += auth.KEYS_MIN_AGE_S
    assert (await verifier.principal(bearer(issuer.mint, 2))).user_id == 2
    assert issuer.asked == 2


async def test_a_flood_of_unknown_keys_asks_the_issuer_seldom(verifier: Verifier, issuer: Issuer) -> None:
    await verifier.principal(bearer(issuer.mint))
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.principal(bearer(TokenMint(f"forged-{number}")))
    assert issuer.asked == 1


async def test_the_last_good_keys_outlive_an_outage(verifier: Verifier, issuer: Issuer, clock: Clock) -> None:
    await verifier.principal(bearer(issuer.mint))
    issuer.down = True
    clock.now += auth.KEYS_MAX_AGE_S + 1
    assert (await verifier.principal(bearer(issuer.mint, 2))).user_id == 2
    assert issuer.asked == 2


async def test_without_any_key_it_is_unavailable_and_soon_asked_again(
    verifier: Verifier, issuer: Issuer, clock: Clock
) -> None:
    issuer.down = True
    with pytest.raises(Unavailable):
        await verifier.principal(bearer(issuer.mint))
    issuer.down = False
    clock.now += auth.NO_KEYS_MIN_AGE_S
    assert (await verifier.principal(bearer(issuer.mint))).user_id == 1


async def test_a_known_token_ends_with_its_life_all_the_same(
    verifier: Verifier, issuer: Issuer, clock: Clock
) -> None:
    header = bearer(issuer.mint)
    await verifier.principal(header)
    clock.now += 600 - 1 + auth.LEEWAY_S
    assert (await verifier.principal(header)).user_id == 1
    clock.now += 2
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.principal(header)


async def test_a_header_of_strange_types_is_no_token(verifier: Verifier, issuer: Issuer) -> None:
    _, payload, signature = bearer(issuer.mint).removeprefix("Bearer ").split(".")
    for change in ({"crit": 5}, {"crit": ["b64"], "b64": False}, {"alg": ["ES256"]}, {"alg": None}):
        header = {"alg": "ES256", "kid": issuer.mint.kid, **change}
        encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        with pytest.raises(Unauthenticated):
            await verifier.principal(f"Bearer {encoded}.{payload}.{signature}")


async def test_the_memory_of_tokens_is_bounded(
    verifier: Verifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_CACHED_TOKENS", 3)
    for user_id in range(1, 8):
        await verifier.principal(bearer(issuer.mint, user_id))
    assert len(verifier._seen) == 3

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from services.kit.db import open_pool
from services.kit.live.settings import Live
from services.kit.settings import Secret
from services.users.app import compose
from services.users.deps import Deps
from services.users.domain import SESSION_SCOPES, Grant
from services.users.housekeeping import Housekeeping
from services.users.keys import ACCESS_TOKEN_LIFE, RotationPolicy, RotationTooEarly
from services.users.metrics import Metrics
from services.users.oidc.http import open_provider_http
from services.users.rotate_keys import rotate
from services.users.settings import UsersSettings
from tests.integration.users.conftest import Clock, Query

pytestmark = pytest.mark.anyio

GRANT = Grant(1, "ada", SESSION_SCOPES, 1)


@pytest.fixture
async def replicas(settings: UsersSettings, clock: Clock) -> AsyncIterator[list[Housekeeping]]:
    """Three processes of the service over one database, as far as keys go."""
    async with open_pool(settings) as database, open_provider_http() as http:
        made = (
            compose(Live(settings, CollectorRegistry()), database, http, Metrics(CollectorRegistry()), clock)
            for _ in range(3)
        )
        yield [Housekeeping(deps, keys) for deps, keys in made]


def verifier(replica: Housekeeping) -> KeySet:
    return KeySet.import_key_set(msgspec.json.decode(replica.deps.signer.jwks))


def kids(jwks: bytes) -> set[str]:
    return {key["kid"] for key in msgspec.json.decode(jwks)["keys"]}


async def test_replicas_that_start_at_the_same_time_agree_on_the_first_keys(
    replicas: list[Housekeeping], query: Query
) -> None:
    await asyncio.gather(*(replica.tend_keys() for replica in replicas))
    rows = await query("SELECT state FROM signing_keys ORDER BY state")
    assert [row["state"] for row in rows] == ["active", "next"]
    assert len({replica.deps.signer.jwks for replica in replicas}) == 1


async def test_keys_change_over_weeks_and_no_token_is_refused(
    replicas: list[Housekeeping], clock: Clock, query: Query
) -> None:
    """A verifier reads the JWKS every 20 minutes; the replicas tend the keys by turns, a minute apart."""
    await replicas[0].tend_keys()
    signed_by: set[str] = set()
    for change in range(9):
        [active] = await query("SELECT activated_at FROM signing_keys WHERE state = 'active'")
        clock.advance(seconds=(active["activated_at"] - clock()).total_seconds())
        clock.advance(days=7, minutes=-12)
        await asyncio.gather(*(replica.tend_keys() for replica in replicas))
        known = verifier(replicas[0])
        good: list[tuple[dt.datetime, Secret]] = []
        for minute in range(60):
            clock.advance(minutes=1)
            await replicas[minute % 3].tend_keys()
            if minute % 20 == 2 * change:
                known = verifier(replicas[change % 3])
            access = replicas[(minute + change) % 3].deps.signer.sign(GRANT)
            good = [(until, text) for until, text in good if until > clock()]
            good.append((clock() + ACCESS_TOKEN_LIFE, access.text))
            for _, text in good:
                signed_by.add(str(jwt.decode(text.reveal(), known, algorithms=["ES256"]).header["kid"]))
    assert len(signed_by) == 10


async def test_a_replica_that_cannot_read_the_keys_stops_signing_but_keeps_publishing(
    replicas: list[Housekeeping], clock: Clock
) -> None:
    await replicas[0].tend_keys()
    signer = replicas[0].deps.signer
    clock.advance(minutes=4)
    assert signer.sign(GRANT)
    clock.advance(minutes=2)
    with pytest.raises(Exception, match="could not be read"):
        signer.sign(GRANT)
    assert kids(signer.jwks)


async def test_private_keys_do_not_stand_in_the_database(replicas: list[Housekeeping], query: Query) -> None:
    await replicas[0].tend_keys()
    for row in await query("SELECT public_jwk, private_key FROM signing_keys"):
        assert set(msgspec.json.decode(row["public_jwk"])) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        # DER begins with a SEQUENCE and names the curve.
        assert bytes.fromhex("2a8648ce3d030107") not in row["private_key"]


async def test_the_command_changes_the_key_when_every_verifier_knows_the_next(
    settings: UsersSettings, replicas: list[Housekeeping], query: Query
) -> None:
    await replicas[0].tend_keys()
    with pytest.raises(RotationTooEarly):
        await rotate(settings, at_once=False)
    await query("UPDATE signing_keys SET created_at = now() - interval '31 minutes'")
    [before] = await query("SELECT kid FROM signing_keys WHERE state = 'next'")
    await rotate(settings, at_once=False)
    states = {row["kid"]: row["state"] for row in await query("SELECT kid, state FROM signing_keys")}
    assert states[before["kid"]] == "active"
    assert sorted(states.values()) == ["active", "next", "retired"]


async def test_the_command_withdraws_every_key_in_haste(
    settings: UsersSettings, replicas: list[Housekeeping], query: Query
) -> None:
    await replicas[0].tend_keys()
    before = kids(replicas[0].deps.signer.jwks)
    await rotate(settings, at_once=True)
    await replicas[0].tend_keys()
    after = kids(replicas[0].deps.signer.jwks)
    assert len(after) == 2 and not before & after


async def test_of_concurrent_rotations_one_happens(
    settings: UsersSettings, replicas: list[Housekeeping], clock: Clock, query: Query
) -> None:
    await replicas[0].tend_keys()
    clock.advance(days=7)
    await asyncio.gather(*(replica.tend_keys() for replica in replicas))
    rows = await query("SELECT state FROM signing_keys ORDER BY state")
    assert [row["state"] for row in rows] == ["active", "next", "retired"]


async def test_a_key_of_another_installation_is_reported_and_the_service_goes_on_with_what_it_has(
    replicas: list[Housekeeping], query: Query
) -> None:
    housekeeping = replicas[0]
    await housekeeping.tend_keys()
    published = housekeeping.deps.signer.jwks
    await query("UPDATE signing_keys SET private_key = sha512('x') WHERE state = 'active'")
    await housekeeping.round()
    assert housekeeping.deps.signer.jwks == published


async def test_the_port_of_the_keys_serves_nothing_else(app: Starlette, deps: Deps) -> None:
    [listener] = app.state.kit.listeners.values()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(listener), base_url="http://users") as client:
        answer = await client.get("/.well-known/jwks.json")
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert answer.headers["content-type"].startswith("application/json")
        assert kids(answer.content) == kids(deps.signer.jwks)
        assert b'"d"' not in answer.content
        assert (await client.head("/.well-known/jwks.json")).status_code == 200
        assert (await client.post("/.well-known/jwks.json")).status_code == 405
        for path in ("/", "/api/v1/users/me", "/healthz/ready", "/openapi.json", "/metrics"):
            assert (await client.get(path)).status_code == 404


async def test_the_keys_are_not_served_where_the_interface_is(http: httpx.AsyncClient) -> None:
    assert (await http.get("http://users/.well-known/jwks.json")).status_code == 404


def test_the_cache_time_of_the_keys_is_short_beside_their_lead() -> None:
    assert RotationPolicy().publish_ahead > dt.timedelta(minutes=20, seconds=300)

from __future__ import annotations

import asyncio

import pytest

from services.kit.settings import Secret
from services.users import housekeeping
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.domain import NewApiToken
from services.users.housekeeping import Housekeeping
from services.users.key_store import KeyStore
from tests.integration.users.conftest import PASSWORD, Clock, Query

pytestmark = pytest.mark.anyio


@pytest.fixture
def tidy(deps: Deps) -> Housekeeping:
    keys: KeyStore = deps.signer._store
    return Housekeeping(deps, keys)


async def fill(query: Query, sessions: int) -> None:
    await query(
        """
        INSERT INTO sessions
            (user_id, selector_hash, secret_hash, created_at, refreshed_at, expires_at, ends_at)
        SELECT id, sha256(n::text::bytea), sha256('x'), now(), now(), now() - interval '1 second', now()
        FROM users, generate_series(1, $1::int) AS n
        """,
        sessions,
    )


async def test_what_has_expired_goes_and_the_rest_stays(
    users: UsersClient, tidy: Housekeeping, clock: Clock, query: Query
) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    access = (await users.sign_in("ada", Secret(PASSWORD))).access_token
    soon = NewApiToken(name="soon", scopes=["read"], expires_at=clock().replace(year=clock().year + 1))
    await users.create_token(access, soon)
    await users.create_token(access, NewApiToken(name="lasting", scopes=["read"]))
    await tidy.clean()
    assert len(await query("SELECT FROM sessions")) == 1
    assert len(await query("SELECT FROM api_tokens")) == 2
    clock.advance(days=366 + 31)
    # A session, the bucket of sign-ups, a token, the key of the sign-up; what the audit log has of all that.
    assert await tidy.clean() == 4 + 4
    assert await query("SELECT FROM sessions") == []
    assert await query("SELECT FROM throttle") == []
    assert await query("SELECT FROM audit") == []
    assert [row["name"] for row in await query("SELECT name FROM api_tokens")] == ["lasting"]
    assert await query("SELECT FROM users WHERE request_key IS NOT NULL") == []
    assert len(await query("SELECT FROM users")) == 1


async def test_a_round_removes_a_bounded_number_of_rows(
    users: UsersClient, tidy: Housekeeping, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH_ROWS", 10)
    await users.sign_up("ada", Secret(PASSWORD))
    await fill(query, 250)
    assert await tidy.clean() == 100
    assert await tidy.clean() == 100
    assert await tidy.clean() == 50


async def test_replicas_clean_side_by_side(users: UsersClient, tidy: Housekeeping, query: Query) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    await fill(query, 3_000)
    assert sum(await asyncio.gather(*(tidy.clean() for _ in range(3)))) == 3_000


async def test_a_round_that_fails_is_counted_and_does_not_end_the_work(
    deps: Deps, tidy: Housekeeping, query: Query
) -> None:
    await query("ALTER TABLE sessions RENAME TO sessions_away")
    before = deps.metrics.housekeeping_failures._value.get()
    await tidy.round()
    assert deps.metrics.housekeeping_failures._value.get() == before + 1
    await query("ALTER TABLE sessions_away RENAME TO sessions")
    await tidy.round()
    assert deps.metrics.housekeeping_failures._value.get() == before + 1

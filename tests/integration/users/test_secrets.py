"""No password and no token stands anywhere but where it belongs: in nobody's storage and in no log."""

from __future__ import annotations

import httpx
import msgspec
import pytest
import structlog

from services.kit.settings import Secret
from services.users import messages
from services.users.client import UsersClient
from services.users.domain import NewApiToken
from services.users.opaque import RefreshToken, api_token_hash
from tests.integration.users.conftest import PASSWORD, Query

pytestmark = pytest.mark.anyio

NEW = "an even longer walk inland"


async def live(users: UsersClient) -> list[Secret]:
    """A short life of an account with everything in it; the secrets that it saw."""
    await users.sign_up("ada", Secret(PASSWORD), "ada@private.example")
    first = await users.sign_in("ada", Secret(PASSWORD))
    assert first.refresh_token is not None
    second = await users.refresh(first.refresh_token)
    made = await users.create_token(second.access_token, NewApiToken(name="cron", scopes=["read"]))
    exchanged = await users.exchange_token(made.token)
    await users.change_password(second.access_token, Secret(PASSWORD), Secret(NEW))
    assert second.refresh_token is not None
    return [
        Secret(PASSWORD),
        Secret(NEW),
        first.refresh_token,
        second.refresh_token,
        made.token,
        first.access_token,
        exchanged.access_token,
    ]


async def test_the_database_holds_no_secret(users: UsersClient, query: Query) -> None:
    secrets = await live(users)
    tables = await query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) == 14
    stored = ""
    for table in tables:
        for row in await query(f"SELECT t::text FROM {table['tablename']} AS t"):  # noqa: S608 - a catalogue's
            stored += row["t"]
    assert "ada" in stored
    for secret in secrets:
        assert secret.reveal() not in stored
        # Bytes are printed in hexadecimal.
        assert secret.reveal().encode().hex() not in stored
    for token in secrets[2:4]:
        refresh = RefreshToken.parse(token)
        assert refresh is not None
        assert refresh.secret.hex() not in stored and refresh.selector.hex() not in stored
        assert refresh.selector_hash.hex() in stored
    digest = api_token_hash(secrets[4])
    assert digest is not None and digest.hex() in stored


async def test_the_log_holds_no_secret_and_no_address(
    http: httpx.AsyncClient, users: UsersClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with structlog.testing.capture_logs() as lines:
        secrets = await live(users)
        # Reuse, a wrong password, a malformed body: what is logged when something is wrong.
        await http.post("/sessions/refresh", json={"refresh_token": secrets[2].reveal()})
        await http.post("/sessions", json={"username": PASSWORD, "password": NEW})
        await http.post("/users", json={"username": "eve", "password": [NEW]})
    captured = capsys.readouterr()
    logged = str(lines) + captured.out + captured.err
    assert "refresh token reused" in logged
    for secret in [*secrets, Secret("ada@private.example")]:
        assert secret.reveal() not in logged


def test_no_message_prints_a_secret() -> None:
    secret = Secret("s3cr3t")
    printed = [
        messages.SignUp(username="ada", password=secret, email="ada@s3cr3t.example"),
        messages.SignIn(username="s3cr3t", password=secret),
        messages.SignIn(api_token=secret),
        messages.Refresh(refresh_token=secret),
        messages.NewPassword(current_password=secret, new_password=secret),
        messages.Confirmation(password=secret),
        messages.Tokens(access_token=secret, expires_in=1, scope="read", refresh_token=secret),
    ]
    assert "s3cr3t" not in repr(printed)


async def test_a_malformed_body_is_refused_without_being_quoted(http: httpx.AsyncClient) -> None:
    for body in ({"username": "ada", "password": 12345678901}, {"username": "ada", "pasword": "s3cr3t"}):
        answer = await http.post("/sessions", content=msgspec.json.encode(body), headers=JSON)
        assert answer.status_code == 400
        assert "s3cr3t" not in answer.text and "12345678901" not in answer.text


JSON = {"content-type": "application/json"}

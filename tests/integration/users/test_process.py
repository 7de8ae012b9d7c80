"""The service as it is started: `python -m services.users`."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.kit.http import open_client
from services.kit.settings import Secret
from services.users.client import UsersClient
from tests.access_tokens import AUDIENCE, ISSUER
from tests.conftest import NewDatabase
from tests.integration.users.conftest import PASSWORD

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def started(environment: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.users",
        *arguments,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def run(environment: dict[str, str], *arguments: str) -> tuple[int | None, str]:
    async with started(environment, *arguments) as process:
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, output.decode()


async def wait_until_ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient(timeout=60) as client, asyncio.timeout(60):
        while True:
            assert process.returncode is None, await process.communicate()
            try:
                if (await client.get(f"{url}/healthz/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)


@pytest.fixture
async def environment(
    new_database: NewDatabase, free_port: Callable[[], int], tmp_path: Path
) -> dict[str, str]:
    key = tmp_path / "key"
    key.write_text(base64.b64encode(bytes(32)).decode() + "\n")
    database = tmp_path / "database-url"
    database.write_text(await new_database())
    return {
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "METRICS_PORT": str(free_port()),
        "JWKS_PORT": str(free_port()),
        "DATABASE_URL_FILE": str(database),
        "KEY_ENCRYPTION_KEY_FILE": str(key),
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "SERVICE_TOKEN": "what services show each other",
        "DRAIN_DELAY_S": "0",
    }


async def test_it_migrates_serves_rotates_and_stops(environment: dict[str, str]) -> None:
    assert (await run(environment, "migrate"))[0] == 0
    url = f"http://127.0.0.1:{environment['PORT']}"
    jwks_url = f"http://127.0.0.1:{environment['JWKS_PORT']}/.well-known/jwks.json"
    async with started(environment) as process, open_client() as http:
        await wait_until_ready(url, process)
        users = UsersClient(http, url)
        user = await users.sign_up("ada", Secret(PASSWORD))
        tokens = await users.sign_in("ada", Secret(PASSWORD))
        assert await users.me(tokens.access_token) == user
        keys = await http.request("GET", jwks_url)
        assert len(keys.json()["keys"]) == 2
        metrics = await http.request("GET", f"http://127.0.0.1:{environment['METRICS_PORT']}/metrics")
        assert 'users_sign_ins_total{outcome="right"} 1.0' in metrics.text
        code, said = await run(environment, "rotate-keys")
        assert code == 1 and "the next key is known everywhere at" in said
        assert (await run(environment, "rotate-keys", "--now"))[0] == 0
        process.terminate()
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    log = output.decode()
    assert '"KEY_ENCRYPTION_KEY":"***"' in log.replace(" ", "")
    for secret in (PASSWORD, tokens.access_token.reveal(), base64.b64encode(bytes(32)).decode()):
        assert secret not in log


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"KEY_ENCRYPTION_KEY": "c2hvcnQ="}, "KEY_ENCRYPTION_KEY"),
        ({"ISSUER": ""}, "ISSUER"),
        ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES"),
        ({"OIDC_PROVIDERS": '[{"client_secret": "c2hvcnQ="}]'}, "OIDC_PROVIDERS"),
    ],
)
async def test_wrong_settings_are_named_and_nothing_starts(
    environment: dict[str, str], changed: dict[str, str], named: str
) -> None:
    code, said = await run(environment | changed)
    assert (code, named in said) == (2, True)
    assert "c2hvcnQ" not in said

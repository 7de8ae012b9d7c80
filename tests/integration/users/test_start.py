"""How the service starts when something that it needs is not there yet, or is wrong."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import httpx
import msgspec
import pytest

from services.kit.settings import InvalidSettings, Secret
from services.users import housekeeping
from services.users.app import create
from services.users.settings import UsersSettings
from tests.integration.users.conftest import Query

pytestmark = pytest.mark.anyio


async def test_it_waits_for_its_schema_and_publishes_no_empty_set_meanwhile(
    settings: UsersSettings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "RETRY_EVERY", timedelta(seconds=0.02))
    await query("ALTER TABLE signing_keys RENAME TO signing_keys_to_come")
    app = create(settings)
    async with app.router.lifespan_context(app):
        [listener] = app.state.kit.listeners.values()
        api = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://users")
        jwks = httpx.AsyncClient(transport=httpx.ASGITransport(listener), base_url="http://users")
        async with api, jwks:
            ready = await api.get("/healthz/ready")
            assert (ready.status_code, ready.json()["checks"]["signing keys"]) == (503, "Unavailable")
            assert (await jwks.get("/.well-known/jwks.json")).status_code == 503
            await query("ALTER TABLE signing_keys_to_come RENAME TO signing_keys")
            async with asyncio.timeout(60):
                while ready.status_code != 200:
                    await asyncio.sleep(0.01)
                    ready = await api.get("/healthz/ready")
            assert len((await jwks.get("/.well-known/jwks.json")).json()["keys"]) == 2


async def test_keys_that_do_not_open_end_the_start(settings: UsersSettings) -> None:
    app = create(settings)
    async with app.router.lifespan_context(app):
        pass
    other = Secret(base64.b64encode(b"x" * 32).decode())
    wrong = create(msgspec.structs.replace(settings, key_encryption_key=other))
    with pytest.raises(InvalidSettings, match="does not open with KEY_ENCRYPTION_KEY"):
        async with wrong.router.lifespan_context(wrong):
            pass

"""Key sets come over the network as the network pleases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from joserfc.jwk import ECKey

from mesh.local import resources
from mesh.local.model import Config, Registry
from mesh.local.runtime.jwks import MAX_BYTES, KeySets
from tests.mesh.runtime.manifests import Manifests

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def provider(parts: Sequence[bytes]) -> AsyncIterator[str]:
    """Serves `parts` one after the other, each when the one before must have arrived."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in parts:
            await response.write(part)
            await asyncio.sleep(0.02)
        return response

    app = web.Application()
    app.router.add_get("/keys", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    [(host, port)] = [address[:2] for address in runner.addresses]
    try:
        yield f"http://{host}:{port}/keys"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def fetching(uri: str, manifests: Manifests) -> AsyncIterator[tuple[KeySets, list[str]]]:
    said: list[str] = []
    sets = KeySets(lambda: Registry((), ()), lambda: None, said.append)
    sets.want(Config(resources.parse(manifests.authentication(uri), "a.yaml")))
    try:
        async with asyncio.timeout(10):
            while not (sets.texts or said):  # noqa: ASYNC110 - of a server
                await asyncio.sleep(0.01)
        yield sets, said
    finally:
        await sets.stop()


async def test_a_key_set_in_pieces_is_read_whole(manifests: Manifests) -> None:
    text = json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]})
    async with (
        provider([text[:40].encode(), text[40:].encode()]) as uri,
        fetching(uri, manifests) as (sets, said),
    ):
        assert sets.texts == {uri: text}, said


async def test_an_endless_key_set_is_given_up(manifests: Manifests) -> None:
    parts = [b'{"keys": [', *[b" " * (MAX_BYTES // 4)] * 8]
    async with provider(parts) as uri, fetching(uri, manifests) as (sets, said):
        assert sets.texts == {}
        assert f"more than {MAX_BYTES} bytes" in said[0]

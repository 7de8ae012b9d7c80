"""Key sets come over the network as the network pleases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from joserfc.jwk import ECKey

from mesh.local import resources
from mesh.local.model import Config, Registry
from mesh.local.runtime.jwks import MAX_BYTES, KeySets
from mesh.local.runtime.kept_keys import KEPT_S, KeptKeys
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
async def fetching(uri: str, manifests: Manifests, folder: Path) -> AsyncIterator[tuple[KeySets, list[str]]]:
    said: list[str] = []
    sets = KeySets(lambda: Registry((), ()), lambda: None, said.append, KeptKeys(folder / "keys.json"))
    sets.want(Config(resources.parse(manifests.authentication(uri), "a.yaml")))
    try:
        async with asyncio.timeout(60):
            while not (sets.texts or said):  # noqa: ASYNC110 - of a server
                await asyncio.sleep(0.01)
        yield sets, said
    finally:
        await sets.stop()


async def test_a_key_set_in_pieces_is_read_whole(tmp_path: Path, manifests: Manifests) -> None:
    text = json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]})
    async with (
        provider([text[:40].encode(), text[40:].encode()]) as uri,
        fetching(uri, manifests, tmp_path) as (sets, said),
    ):
        assert sets.texts == {uri: text}, said


async def test_an_endless_key_set_is_given_up(tmp_path: Path, manifests: Manifests) -> None:
    parts = [b'{"keys": [', *[b" " * (MAX_BYTES // 4)] * 8]
    async with provider(parts) as uri, fetching(uri, manifests, tmp_path) as (sets, said):
        assert sets.texts == {}
        assert f"more than {MAX_BYTES} bytes" in said[0]


async def test_a_restarted_mesh_knows_the_keys_before_it_asks(tmp_path: Path, manifests: Manifests) -> None:
    text = json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]})
    async with provider([text.encode()]) as uri, fetching(uri, manifests, tmp_path):
        pass
    again = KeySets(lambda: Registry((), ()), lambda: None, lambda _: None, KeptKeys(tmp_path / "keys.json"))
    again.want(Config(resources.parse(manifests.authentication(uri), "a.yaml")))
    assert again.texts == {uri: text}, "at once, and though nobody serves it any more"
    await again.stop()


def test_keys_of_long_ago_or_of_a_damaged_file_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    KeptKeys(file, lambda: 1000.0).put("a", "{}")
    assert KeptKeys(file, lambda: 1000.0 + KEPT_S).get("a") == "{}"
    assert KeptKeys(file, lambda: 1001.0 + KEPT_S).get("a") is None
    file.write_text("{")
    assert KeptKeys(file, lambda: 1000.0).get("a") is None


async def test_a_kept_set_with_a_broken_key_is_not_taken(tmp_path: Path, manifests: Manifests) -> None:
    kept = KeptKeys(tmp_path / "keys.json")
    kept.put("http://issuer.example/keys", '{"keys": [{"kty": "EC"}]}')
    sets = KeySets(lambda: Registry((), ()), lambda: None, lambda _: None, kept)
    sets.want(Config(resources.parse(manifests.authentication("http://issuer.example/keys"), "a.yaml")))
    assert sets.texts == {}
    await sets.stop()

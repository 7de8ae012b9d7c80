"""Tries the key sets that a configuration names, without a mesh."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from mesh.local.model import Config
from mesh.local.runtime.jwks import Unfetched, fetched, located
from mesh.local.runtime.registry import registry


def failures(config: Config, uris: Collection[str]) -> dict[str, str]:
    """Why an address gives no keys; those of the mesh's own services can be asked only while it runs."""
    known = registry(config, (), lambda _: "")
    outside = sorted(uri for uri in uris if located(uri, known) is None)
    answers = asyncio.run(_all(outside))
    return {uri: why for uri, why in zip(outside, answers, strict=True) if why}


async def _all(uris: Collection[str]) -> list[str]:
    return list(await asyncio.gather(*(_why(uri) for uri in uris)))


async def _why(uri: str) -> str:
    try:
        await fetched(uri, {}, outside=True)
    except Unfetched as error:
        return str(error)
    return ""

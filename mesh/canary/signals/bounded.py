"""Answers over HTTP that are never longer, and never later, than was agreed."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from mesh.canary.signals.source import NoEvidence

_PIECE = 65_536


async def body(answer: aiohttp.ClientResponse, max_bytes: int, who: str) -> bytes:
    """All of an answer. Raises NoEvidence if it is longer."""
    found = bytearray()
    async for piece in answer.content.iter_chunked(_PIECE):
        found += piece
        if len(found) > max_bytes:
            raise NoEvidence(f"{who} answered with more than {max_bytes >> 20} MiB")
    return bytes(found)


async def get(
    session: aiohttp.ClientSession,
    url: str,
    query: Mapping[str, str],
    *,
    within_s: float,
    max_bytes: int,
    who: str,
) -> tuple[int, bytes]:
    """Status and body. Raises NoEvidence where there is no answer."""
    timeout = aiohttp.ClientTimeout(total=within_s)
    try:
        async with session.get(url, params=query, timeout=timeout, allow_redirects=False) as answer:
            return answer.status, await body(answer, max_bytes, who)
    except TimeoutError as error:
        raise NoEvidence(f"{who} did not answer within {within_s:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NoEvidence(f"{who} does not answer: {error or type(error).__name__}") from error

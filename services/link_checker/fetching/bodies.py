"""A body within bounds: so many bytes received, so many made of them, and no bomb."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable

from services.link_checker.fetching.errors import BadAnswer

# HTML and robots.txt compress to a tenth; a bomb of deflate to a thousandth.
MAX_RATIO = 150
RATIO_FROM_BYTES = 64 * 1024

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read(chunks: AsyncIterable[bytes], coding: str, limit_bytes: int) -> bytes:
    """The first `limit_bytes` of a body, its Content-Encoding undone; reads no more than it needs.

    Nothing larger than `limit_bytes` is ever made in memory. Raises BadAnswer for a coding that was not asked
    for (two at once is how bombs are nested), for one that is broken, and for a bomb.
    """
    coding = coding.strip().lower()
    inflate = None
    if coding not in ("", "identity"):
        if coding not in _WINDOW_BITS:
            raise BadAnswer(f"content coding {coding[:40]!r}")
        inflate = zlib.decompressobj(_WINDOW_BITS[coding])
    received, content = 0, bytearray()
    async for chunk in chunks:
        received += len(chunk)
        room = limit_bytes - len(content)
        if inflate is None:
            content += chunk[:room]
        else:
            content += _inflated(inflate, chunk, room)
            used = received - len(inflate.unconsumed_tail)
            if len(content) > RATIO_FROM_BYTES and len(content) > MAX_RATIO * used:
                raise BadAnswer("a decompression bomb")
        if len(content) >= limit_bytes or received >= limit_bytes or (inflate and inflate.eof):
            break
    return bytes(content)


def _inflated(inflate: zlib._Decompress, chunk: bytes, room: int) -> bytes:
    try:
        # What it does not make of this chunk for want of room, it never will: the caller stops then.
        return inflate.decompress(chunk, room)
    except zlib.error as error:
        raise BadAnswer("broken compression") from error

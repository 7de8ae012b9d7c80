"""What the API server asks a node for `kubectl logs`: the lines of one container, and those that come."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from mesh.local.runtime.process import skip_to_tail

FOLLOW_S = 0.1
PIECE_BYTES = 64 * 1024
NOT_KEPT = ("sinceSeconds", "sinceTime", "timestamps")  # lines have the times that their writers gave them


def route(pods: Path) -> Route:
    """`pods` is the folder of the mesh's pods."""

    async def endpoint(request: Request) -> Response:
        query, parts = request.query_params, request.path_params
        if unkept := [name for name in NOT_KEPT if query.get(name) not in (None, "false")]:
            return PlainTextResponse(f"{', '.join(unkept)}: the local mesh keeps no time of a line", 400)
        suffix = ".previous.log" if query.get("previous") == "true" else ".log"
        file = pods / parts["namespace"] / parts["pod"] / "logs" / f"{parts['container']}{suffix}"
        try:
            stream = await asyncio.to_thread(_opened, file, pods, _number(query.get("tailLines")))
        except OSError:
            which = "an earlier process of " if suffix.startswith(".previous") else ""
            return PlainTextResponse(
                f"no log of {which}container {parts['container']} of {parts['pod']}", 400
            )
        follow = file if query.get("follow") == "true" else None
        lines = _lines(stream, _number(query.get("limitBytes")), follow)
        return StreamingResponse(lines, media_type="text/plain")

    return Route("/containerLogs/{namespace}/{pod}/{container}", endpoint, methods=["GET"])


def refusals() -> list[Route]:
    """What the API server asks a node for besides: said plainly, since nothing is done."""

    async def refuse(request: Request) -> Response:
        verb = request.url.path.split("/")[1]
        return PlainTextResponse(f"the local mesh has no {verb}: its pods are processes of this machine", 501)

    methods = ["GET", "POST"]
    return [
        Route(f"/{verb}/{{rest:path}}", refuse, methods=methods) for verb in ("exec", "attach", "portForward")
    ]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _opened(file: Path, folder: Path, tail: int | None) -> BinaryIO:
    """At the first of its last `tail` lines. Raises OSError, also for what lies outside of the folder."""
    if not file.resolve().is_relative_to(folder.resolve()):
        raise FileNotFoundError(file)
    stream = file.open("rb")
    if tail is not None:
        skip_to_tail(stream, tail)
    return stream


async def _lines(stream: BinaryIO, most: int | None, follow: Path | None) -> AsyncIterator[bytes]:
    """`most` bytes; with `follow` also what is still written, until another process writes that file."""
    rest = most
    with stream:
        while rest is None or rest > 0:
            wanted = PIECE_BYTES if rest is None else min(rest, PIECE_BYTES)
            piece = await asyncio.to_thread(stream.read, wanted)
            if piece:
                rest = None if rest is None else rest - len(piece)
                yield piece
            elif follow is not None and await asyncio.to_thread(_is_same, stream, follow):
                await asyncio.sleep(FOLLOW_S)
            else:
                return


def _is_same(stream: BinaryIO, file: Path) -> bool:
    try:
        return file.stat().st_ino == os.fstat(stream.fileno()).st_ino
    except FileNotFoundError:
        return False

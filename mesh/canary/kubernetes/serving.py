"""What the controller's pod answers: whether it lives and drives, and the journals of its runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from mesh.canary.runs.folder import Folder, FolderError, name_of

PORT = 8080


@asynccontextmanager
async def served(folder: Folder, ready: Callable[[], bool], host: str, port: int) -> AsyncIterator[None]:
    """Until it is left. GET /healthz/live, /healthz/ready, /runs, /runs/NAME.jsonl."""

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def is_ready(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if ready() else web.Response(status=503, text="it waits\n")

    async def runs(_request: web.Request) -> web.Response:
        found = [(path.parent.parent.name, path.parent.name, name_of(path)) for path in folder.runs()]
        names = ("namespace", "service", "run")
        return web.json_response([dict(zip(names, each, strict=True)) for each in found])

    async def journal(request: web.Request) -> web.StreamResponse:
        """Below a name as `folder.find` takes it, which is none of a path."""
        try:
            path = folder.find(request.match_info["name"])
        except FolderError as error:
            return web.Response(status=404, text=f"{error}\n")
        return web.FileResponse(path, headers={"Content-Type": "application/x-ndjson"})

    app = web.Application()
    app.router.add_get("/healthz/live", live)
    app.router.add_get("/healthz/ready", is_ready)
    app.router.add_get("/runs", runs)
    app.router.add_get("/runs/{name}.jsonl", journal)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()

"""Journals of a controller on Kubernetes, read through the API server, laid out as a folder of runs."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from delinkcious.canary.kubernetes import Where, connected, run
from mesh.canary.platform import Away, PlatformError
from mesh.canary.runs.fields import Name
from mesh.canary.runs.folder import JOURNAL, Folder, FolderError

SERVICE = "canary:http"
EVERY_S = 1.0
PARTIAL, NO_MORE = 206, 416


class Kept(msgspec.Struct, frozen=True):
    """One run as the controller lists it: words that a path may be made of."""

    namespace: Name
    service: Name
    run: Annotated[str, Meta(pattern=r"^\d{8}-\d{6}-[0-9a-f]{4}$")]


async def read(where: Where, path: str, after: int = 0) -> bytes:
    """What the controller answers, behind so many bytes of it. Raises PlatformError."""
    async with connected(where) as api:
        import httpx2
        from lightkube.config.client_adapter import AsyncClient, ConnectionParams

        url = f"/api/v1/namespaces/{api.namespace}/services/{SERVICE}/proxy/{path}"
        try:
            async with AsyncClient(api.config, ConnectionParams()) as client:
                answer = await client.get(url, headers={"Range": f"bytes={after}-"} if after else None)
        except httpx2.HTTPError as error:
            raise Away(f"the Kubernetes API does not answer: {error}") from error
    if answer.status_code == NO_MORE:
        return b""
    if answer.status_code not in (200, PARTIAL):
        said = answer.text.strip()[:300]
        raise PlatformError(f"the controller's journals cannot be read ({answer.status_code}): {said}")
    found: bytes = answer.content if answer.status_code == PARTIAL else answer.content[after:]
    return found


def listed(where: Where) -> list[Kept]:
    """The oldest first. Raises FolderError."""
    try:
        return msgspec.json.decode(run(read(where, "runs")), type=list[Kept])
    except msgspec.MsgspecError as error:
        raise FolderError(f"the controller's list of runs is none: {error}") from error


@contextmanager
def fetched(where: Where, name: str | None, most: int = 1) -> Iterator[Folder]:
    """The newest runs that are meant: of a service, one by its name, or any. Raises FolderError."""
    kept = [one for one in listed(where) if name in (None, one.service, one.run)]
    if not kept and name is not None:
        raise FolderError(f"no run and no service with runs is called {name!r}")
    with tempfile.TemporaryDirectory(prefix="delinkcious-canary-") as folder:
        for one in kept[-most:]:
            path = Path(folder) / one.namespace / one.service / (one.run + JOURNAL)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(run(read(where, f"runs/{one.run}{JOURNAL}")))
        yield Folder(Path(folder))


@contextmanager
def growing(where: Where, journal: Path) -> Iterator[None]:
    """Meanwhile what is new is added to a journal that was fetched."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(EVERY_S):
            try:
                new = asyncio.run(read(where, f"runs/{journal.name}", journal.stat().st_size))
            except PlatformError:
                continue  # it may be away for a while; who watches sees that nothing is written
            with journal.open("ab") as file:
                file.write(new)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

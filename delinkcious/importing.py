"""One bookmark file on its way into an account: sent, followed to its end, taken up again after a break."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from delinkcious.secrets import write_private
from delinkcious.session import Server, folder
from services.kit.errors import Conflict, NotFound, Problem, Unavailable
from services.links.bookmarks.messages import Import
from services.links.bookmarks.model import Options

BLOCK_BYTES = 1 << 18
POLL_S = 0.3
# A connection that breaks is tried again this often; what was imported by then stays.
ATTEMPTS = 5
PAUSE_S = 1.0


class Watcher(Protocol):
    """Is told how far an import is."""

    def sent(self, bytes_sent: int, total_bytes: int) -> None: ...

    def seen(self, state: Import) -> None: ...


class UnfinishedImports:
    """The keys of imports that have not come to their end, by file, account and options."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or folder("XDG_STATE_HOME", ".local/state") / "imports.json"

    def key_of(self, name: str) -> str:
        """The key to go on with, or a new one."""
        keys = self._all()
        if name not in keys:
            keys[name] = secrets.token_hex(16)
            write_private(self.file, msgspec.json.encode(keys))
        return keys[name]

    def forget(self, name: str) -> None:
        keys = self._all()
        if keys.pop(name, None) is not None:
            write_private(self.file, msgspec.json.encode(keys))

    def _all(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}


async def send(
    there: Server, file: BinaryIO, options: Options, watcher: Watcher, unfinished: UnfinishedImports
) -> Import:
    """Import the file and return the report; called again with the same file, it goes on."""
    name = f"{there.url} {there.username()} {options.folders:d}{options.private:d} {_digest(file)}"
    key = unfinished.key_of(name)
    try:
        report, running = None, key
        attempt = 1
        while report is None:
            try:
                before = await _follow(there, running, watcher)
                is_done = running == key and before is not None and before.state == "done"
                report = before if is_done else await _send_once(there, key, file, options, watcher)
            except Conflict as busy:
                running = str(busy.members.get("key", key))
            except Unavailable:
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(PAUSE_S * attempt)
                attempt += 1
    except Unavailable:
        raise
    except Problem:
        # The file or the account is at fault: another attempt is another import.
        unfinished.forget(name)
        raise
    unfinished.forget(name)
    return report


async def _follow(there: Server, key: str, watcher: Watcher) -> Import | None:
    """Watch an import that runs to its end; None if there is none of this key."""
    with suppress(NotFound):
        while True:
            state = await there.links.import_progress(key)
            if not state.running:
                return state
            watcher.seen(state)
            await asyncio.sleep(POLL_S)
    return None


async def _send_once(there: Server, key: str, file: BinaryIO, options: Options, watcher: Watcher) -> Import:
    sent = asyncio.Event()
    watching = asyncio.create_task(_watch(there, key, watcher, sent))
    try:
        report = await there.links.import_file(key, _blocks(file, watcher, sent), options)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    watcher.seen(report)
    return report


async def _watch(there: Server, key: str, watcher: Watcher, sent: asyncio.Event) -> None:
    await sent.wait()
    while True:
        await asyncio.sleep(POLL_S)
        with suppress(Problem):
            watcher.seen(await there.links.import_progress(key))


async def _blocks(file: BinaryIO, watcher: Watcher, sent: asyncio.Event) -> AsyncIterator[bytes]:
    total_bytes = os.fstat(file.fileno()).st_size
    file.seek(0)
    while block := file.read(BLOCK_BYTES):
        yield block
        watcher.sent(file.tell(), total_bytes)
    sent.set()


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()

"""The service's side of the process that reads a file."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

import msgspec

from services.kit.errors import Unprocessable

from .model import Options
from .reader import LENGTH, End, Message, Refused

_MESSAGES = msgspec.msgpack.Decoder(Message)


class UnreadableFile(Unprocessable):
    """What was sent is no bookmark file, or one that takes more than reading may take."""

    title = "Unreadable bookmark file"


@asynccontextmanager
async def read(file: BinaryIO, options: Options, after: int) -> AsyncIterator[AsyncIterator[Message]]:
    """What the reader tells of the file; the process ends with the block. Raises UnreadableFile meanwhile."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "services.links.bookmarks.reader",
        msgspec.json.encode(options).decode(),
        str(after),
        stdin=file.fileno(),
        stdout=asyncio.subprocess.PIPE,
        env={"SQLITE_TMPDIR": tempfile.gettempdir()},
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        yield _messages(process.stdout)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _messages(stream: asyncio.StreamReader) -> AsyncIterator[Message]:
    while True:
        try:
            (length,) = LENGTH.unpack(await stream.readexactly(LENGTH.size))
            message = _MESSAGES.decode(await stream.readexactly(length))
        except asyncio.IncompleteReadError as error:
            raise UnreadableFile("The file takes more than an import may take.") from error
        if isinstance(message, Refused):
            raise UnreadableFile(message.detail)
        if isinstance(message, End):
            return
        yield message

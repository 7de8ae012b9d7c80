"""The program of every workload of the suite: it answers with what reached it, over HTTP, TLS or plain TCP.

`PORTS` says what it serves: `http=8080 http=8000 tls=9443 tcp=9000`. README.md says what a request may ask
of it. Standard library only: it starts for every run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import ssl
from collections import Counter
from dataclasses import dataclass

NAME = "POD_WORKLOAD"
PIECE_BYTES = 65_536
_ASKED = re.compile(r"/(status|delay)/([0-9.]+)")


@dataclass(frozen=True)
class Asked:
    """One request as it came over the wire; names of headers in lower case, repeated ones joined."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def wish(self, name: str) -> str:
        """What it asks for by header, or else by path."""
        by_path = dict(_ASKED.findall(self.path))
        return self.headers.get(f"x-echo-{name}") or by_path.get(name, "")

    @property
    def status(self) -> int:
        attempts = int(self.headers.get("x-envoy-attempt-count") or 1)
        if attempts <= int(self.wish("fail-attempts") or 0):
            return int(self.wish("status") or 503)
        return 200 if self.wish("fail-attempts") else int(self.wish("status") or 200)


async def read(reader: asyncio.StreamReader) -> Asked | None:
    """The next request of a connection; None at its end, or where it is no HTTP, as a TLS handshake."""
    try:
        if not (begun := await reader.readexactly(1)).isalpha():
            return None
        head = begun + await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ", 2)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name.lower()
        headers[key] = f"{headers[key]},{value.strip()}" if key in headers else value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length") or 0))
    return Asked(method, path, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


class Workload:
    """Serves the ports of one pod."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._connections = 0
        self._remembered: Counter[str] = Counter()

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        connection = self._connections
        while (asked := await read(reader)) is not None:
            await asyncio.sleep(float(asked.wish("delay") or 0))
            if asked.wish("reset"):
                break
            if asked.headers.get("upgrade", "").lower() == "websocket":
                writer.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
                )
                await self.tcp(reader, writer)
                return
            writer.write(self._answer(asked, connection, writer))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        await _close(writer)

    def _answer(self, asked: Asked, connection: int, writer: asyncio.StreamWriter) -> bytes:
        if key := asked.headers.get("x-echo-remember"):
            self._remembered[key] += 1
        seen = {
            "workload": self._name,
            "remembered": self._remembered[asked.path.rpartition("/remembered/")[2]],
            "port": writer.get_extra_info("sockname")[1],
            "connection": connection,
            "method": asked.method,
            "path": asked.path,
            "headers": asked.headers,
            "body": asked.body.decode(errors="replace"),
        }
        text = json.dumps(seen).encode()
        own = [pair.partition("=") for pair in asked.wish("headers").split(",") if pair]
        lines = [f"{name}: {value}" for name, _, value in own]
        head = [
            f"HTTP/1.1 {asked.status} Echo",
            "content-type: application/json",
            f"content-length: {len(text)}",
            *lines,
        ]
        return "\r\n".join([*head, "", ""]).encode() + (b"" if asked.method == "HEAD" else text)

    async def tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                writer.write(f"{self._name} got ".encode() + piece)
                await writer.drain()
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


async def main() -> None:
    """Serve until the process ends."""
    workload = Workload(os.environ[NAME])
    servers = []
    for word in os.environ["PORTS"].split():
        kind, _, port = word.partition("=")
        context = None
        if kind == "tls":
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
        serve = workload.tcp if kind == "tcp" else workload.http
        servers.append(
            await asyncio.start_server(serve, os.environ["HOST"], int(port), ssl=context, backlog=256)
        )
    await asyncio.gather(asyncio.Event().wait(), *(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())

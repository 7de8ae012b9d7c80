"""Servers of strangers: what a test says they answer, byte for byte; a name server that changes its mind."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dnslib

from services.link_checker.fetching.addresses import Address
from services.link_checker.fetching.errors import NameNotFound

# Writes an answer by itself; what it leaves open is closed.
Script = Callable[[asyncio.StreamWriter], Awaitable[None]]
Answer = bytes | Script


def page(body: bytes = b"", *headers: str, status: str = "200 OK", kind: str = "text/html") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return page(b"", f"Location: {location}", status=status)


@dataclass(frozen=True)
class Request:
    """One that came in; `headers` by lower-case name."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Site:
    """A server on loopback; `answers` by method and path, or by path. Unknown paths are 404."""

    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    address: tuple[str, int] = ("", 0)
    now: int = 0
    most_at_once: int = 0

    @property
    def port(self) -> int:
        return self.address[1]

    def url(self, path: str = "/", host: str | None = None, scheme: str = "http") -> str:
        return f"{scheme}://{host or self.address[0]}:{self.port}{path}"

    def asked(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._answer(reader, writer)
        finally:
            self.now -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        pairs = [line.partition(": ") for line in head[1:] if line]
        self.requests.append(Request(method, path, {name.lower(): value for name, _, value in pairs}))
        missing = page(b"nothing", status="404 Not Found")
        answer = self.answers.get(f"{method} {path}", self.answers.get(path, missing))
        if isinstance(answer, bytes):
            if method == "HEAD":
                answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            writer.write(answer)
        else:
            await answer(writer)
        await writer.drain()


@asynccontextmanager
async def serving(
    site: Site, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(site.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, site.port, ssl=tls)
    site.address = server.sockets[0].getsockname()[:2]
    try:
        yield site
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class NameServer(asyncio.DatagramProtocol):
    """A real one, by UDP: each question about a name is answered by the next of its lists of addresses."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.names = names
        self.questions: list[str] = []
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        question = dnslib.DNSRecord.parse(data)
        name = str(question.q.qname).rstrip(".")
        self.questions.append(name)
        answer = question.reply()
        turns = self.names.get(name)
        if turns is None:
            answer.header.rcode = dnslib.RCODE.NXDOMAIN
        else:
            for text in turns.pop(0) if len(turns) > 1 else turns[0]:
                six = ":" in text
                kind, data_ = (
                    (dnslib.QTYPE.AAAA, dnslib.AAAA(text)) if six else (dnslib.QTYPE.A, dnslib.A(text))
                )
                answer.add_answer(dnslib.RR(question.q.qname, kind, rdata=data_, ttl=0))
        self._transport.sendto(answer.pack(), source)


@dataclass(frozen=True)
class AskingResolver:
    """Asks the test's name server, once for each hop, as the system's resolver asks the network's."""

    server: NameServer

    async def resolve(self, host: str) -> Sequence[Address]:
        packet = dnslib.DNSRecord.question(host, "A").pack()
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        class Question(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, _: tuple[str, int]) -> None:
                answered.set_result(data)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Question, remote_addr=("127.0.0.1", self.server.port)
        )
        try:
            transport.sendto(packet)
            answer = dnslib.DNSRecord.parse(await answered)
        finally:
            transport.close()
        if answer.header.rcode == dnslib.RCODE.NXDOMAIN:
            raise NameNotFound(host)
        return [ipaddress.ip_address(str(record.rdata)) for record in answer.rr]


@asynccontextmanager
async def name_server(names: dict[str, list[list[str]]]) -> AsyncIterator[NameServer]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(names), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()

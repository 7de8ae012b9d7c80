"""Sends what a case asks for, from where it says, over a connection of its own each time."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tests.mesh.conformance.case import Request, Values, fill
from tests.mesh.conformance.plane import ControlPlane
from tests.mesh.conformance.platform import GATEWAY, Credentials

ANSWERED_WITHIN_S = 30.0
PORTS = {"http": 80, "https": 443, "tcp": 0}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What came back: `closed` when the connection ended, or never began, without an answer.

    `agent` marks the request in access logs; `proxy` is the workload whose proxy was asked.
    """

    agent: str
    proxy: str
    took_s: float
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    closed: bool = False
    why: str = ""

    @cached_property
    def echo(self) -> dict[str, Any]:
        return dict(json.loads(self.body)) if self.body.startswith("{") else {}

    @property
    def workload(self) -> str:
        """Who answered; empty when no workload did."""
        if self.status == 0 and " got " in self.body:
            return self.body.partition(" got ")[0]
        return str(self.echo.get("workload", ""))


class Sender:
    """Sends to the platform of one control plane; `values` are what a request writes as ${NAME}."""

    def __init__(self, plane: ControlPlane, credentials: Credentials, folder: Path, values: Values) -> None:
        self._plane = plane
        self._credentials = credentials
        self._folder = folder
        self._values = values

    def send(self, request: Request) -> list[Answer]:
        """All answers to a request."""
        if request.at_once > 1:
            with ThreadPoolExecutor(request.at_once) as pool:
                return [
                    task.result()
                    for task in [pool.submit(self._once, request) for _ in range(request.at_once)]
                ]
        return [self._once(request) for _ in range(request.times)]

    def headers(self, request: Request) -> dict[str, str]:
        """Those that a request carries, its token among them."""
        return self._filled(request, "")[1]

    def _once(self, request: Request) -> Answer:
        agent = f"conformance/{next(_numbers)}"
        url, headers = self._filled(request, agent)
        proxy = {"sidecar": request.client, "gateway": GATEWAY}.get(request.through, request.through)
        began = time.monotonic()
        found: dict[str, Any]
        try:
            with self._connect(request, url) as connection:
                if url.scheme == "tcp":
                    found = _spoken(connection, request.body.encode())
                else:
                    found = _asked(connection, request, url, headers)
        except (OSError, http.client.HTTPException) as error:
            found = {"closed": True, "why": repr(error)}
        return Answer(agent, proxy, time.monotonic() - began, **found)

    def _filled(self, request: Request, agent: str) -> tuple[SplitResult, dict[str, str]]:
        headers, values = {"user-agent": agent, **request.headers}, dict(self._values)
        if request.token is not None:
            signer = {"JWKS": self._credentials.signer, "OTHER_JWKS": self._credentials.other_signer}
            bearer = signer[request.token.signed_by].bearer(**request.token.claims)
            values["TOKEN"] = bearer["authorization"].removeprefix("Bearer ")
            headers |= bearer if request.token.bearer else {}
        return urlsplit(fill(request.url, values)), fill(headers, values)

    def _connect(self, request: Request, url: SplitResult) -> socket.socket:
        host, port = url.hostname or "", url.port or PORTS[url.scheme]
        if request.through == "gateway":
            place = self._plane.gateway(port)
        elif request.through == "sidecar":
            egress = self._plane.pod(request.client).egress
            assert egress is not None, f"{request.client} has no sidecar"
            place = egress
        else:
            place = self._plane.pod(request.through).ports[str(port)]
        connection = socket.create_connection(place, timeout=ANSWERED_WITHIN_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if request.through == "sidecar" and url.scheme != "http":
                _tunnel(connection, f"{host}:{port}")
            if url.scheme == "https":
                return self._context(request).wrap_socket(connection, server_hostname=request.sni or host)
        except BaseException:
            connection.close()
            raise
        return connection

    def _context(self, request: Request) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._credentials.edge.root)
        context.check_hostname = False  # a case may ask by a name that the certificate has not
        context.set_alpn_protocols(["http/1.1"])
        if request.certificate is not None:
            certificate, key = self._credentials.client(request.certificate)
            file = self._folder / f"{request.certificate}.pem"
            file.write_text(certificate + key)
            context.load_cert_chain(file)
        return context


def _tunnel(connection: socket.socket, target: str) -> None:
    """Ask the sidecar for a plain connection. Raises ConnectionError when it says no."""
    connection.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            raise ConnectionError(f"closed before {target} was reached")
        head += piece
    status = head.split(b" ", 2)[1]
    if status != b"200":
        raise ConnectionError(f"CONNECT {target}: {status.decode()}")


def _spoken(connection: socket.socket, data: bytes) -> dict[str, Any]:
    """What comes back for one piece of data; an end without a byte is `closed`."""
    connection.sendall(data)
    answer = connection.recv(65_536)
    return {"body": answer.decode()} if answer else {"closed": True, "why": "closed without a byte"}


def _asked(
    connection: socket.socket, request: Request, url: SplitResult, headers: Mapping[str, str]
) -> dict[str, Any]:
    target = url.path or "/"
    target += f"?{url.query}" if url.query else ""
    if request.through == "sidecar" and url.scheme == "http":
        target = f"http://{url.netloc}{target}"
    asking = http.client.HTTPConnection(url.netloc, timeout=ANSWERED_WITHIN_S)
    asking.sock = connection
    own = {name.lower() for name in headers}
    asking.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    if "host" not in own:
        asking.putheader("host", url.netloc)
    for name, value in headers.items():
        asking.putheader(name, value)
    if request.body and "content-length" not in own:
        asking.putheader("content-length", str(len(request.body.encode())))
    asking.endheaders(request.body.encode() or None)
    answer = asking.getresponse()
    text = answer.read().decode()
    found: dict[str, str] = {}
    for name, value in answer.getheaders():
        key = name.lower()
        found[key] = f"{found[key]},{value}" if key in found else value
    return {"status": answer.status, "headers": found, "body": text}

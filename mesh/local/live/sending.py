"""Sends one request as a pod's process would: through its sidecar, or to a gateway from the world."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

MAX_BODY_BYTES = 64 * 1024
SHOWN_BYTES = 200


# Schemes of a URL that ask for a connection, not for a request.
CONNECTIONS = ("tcp", "tls")
Tunnel = Literal["", "open", "closed"]
# A policy or a missing server ends a tunnel at once; one that is still there then stays.
CLOSED_WITHIN_S = 0.5


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is None when nothing did, and `error` says why.

    `tunnel` is that of a CONNECT.
    """

    status: int | None
    ms: float
    error: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    tunnel: Tunnel = ""


def through_sidecar(
    egress: str, method: str, url: str, headers: Sequence[tuple[str, str]], within_s: float
) -> Answer:
    """A request by the sidecar's egress proxy, in absolute form; CONNECT sends an empty line.

    Of an https URL only the connection is tried, as far as TLS: nobody on the way sees more of it.
    """
    host, _, port = egress.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=within_s)
    scheme, _, rest = url.rpartition("://")
    if method == "CONNECT" or scheme in CONNECTIONS:
        return _ask(connection, "CONNECT", rest.rstrip("/"), headers, tls=scheme == "tls")
    if scheme == "https":
        parts = urlsplit(url)
        return _ask(connection, "CONNECT", f"{parts.hostname}:{parts.port or 443}", headers, tls=True)
    return _ask(connection, method, url if scheme else f"http://{url}", headers)


def to_gateway(
    address: str, method: str, url: str, headers: Sequence[tuple[str, str]], within_s: float
) -> Answer:
    """A request to a gateway's own port; by TLS with the URL's host as server name, nothing checked."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=within_s)
    named = any(name.lower() == "host" for name, _ in headers)
    every = [*headers] if named else [("Host", parts.netloc), *headers]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            raw = socket.create_connection((host, int(port)), timeout=within_s)
            connection.sock = context.wrap_socket(raw, server_hostname=parts.hostname)
        except OSError as error:
            return Answer(None, 0.0, f"TLS with the gateway failed: {error}")
    return _ask(connection, method, path, every)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    *,
    tls: bool = False,
) -> Answer:
    began = time.monotonic()

    def passed() -> float:
        return 1000 * (time.monotonic() - began)

    try:
        own_host = any(name.lower() == "host" for name, _ in headers)
        connection.putrequest(method, target, skip_host=own_host, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", "0")
        connection.endheaders()
        wire = connection.sock  # the answer to a CONNECT takes it away
        answer = connection.getresponse()
        if method == "CONNECT" and answer.status == 200:
            return Answer(answer.status, passed(), tunnel=_handshake(wire, target) if tls else _tunnel(wire))
        body = answer.read(MAX_BODY_BYTES)
        text = body[:SHOWN_BYTES].decode(errors="replace")
        return Answer(answer.status, passed(), "", tuple(answer.getheaders()), text)
    except TimeoutError:
        return Answer(None, passed(), "nothing came back in time")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(None, passed(), str(error) or type(error).__name__)
    finally:
        connection.close()


def _handshake(wire: socket.socket, target: str) -> Tunnel:
    """Whether somebody at the other end answers for the name by TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    wire.settimeout(CLOSED_WITHIN_S)
    try:
        context.wrap_socket(wire, server_hostname=target.rpartition(":")[0] or target)
    except OSError:
        return "closed"
    return "open"


def _tunnel(wire: socket.socket) -> Tunnel:
    """Whether the other end lets the tunnel stand; policies on TCP judge with the first byte."""
    deadline = time.monotonic() + CLOSED_WITHIN_S
    try:
        wire.sendall(b"\r\n")
        while (left := deadline - time.monotonic()) > 0:
            wire.settimeout(left)
            if not wire.recv(MAX_BODY_BYTES):
                return "closed"
    except TimeoutError:
        return "open"
    except OSError:
        return "closed"
    return "open"

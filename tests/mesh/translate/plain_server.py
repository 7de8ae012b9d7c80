"""A server of one word: it tells every connection who it is, over TLS where it has a certificate."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from tests.mesh.translate.authority import Authority


@contextlib.contextmanager
def serving(address: tuple[str, int], word: str, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """Answers every connection with `word` and closes it."""
    with socket.create_server(address) as listening:
        thread = threading.Thread(target=_serve, args=(listening, word, tls), daemon=True)
        thread.start()
        yield
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(listening: socket.socket, word: str, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            taken, _ = listening.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), taken:
            stream = tls.wrap_socket(taken, server_side=True) if tls else taken
            stream.recv(1)
            stream.sendall(word.encode())
            stream.close()


def certified(authority: Authority, folder: Path, *names: str) -> ssl.SSLContext:
    """A server's side of TLS."""
    certificate, key = authority.issue([x509.DNSName(name) for name in names])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    paths = folder / "server.pem", folder / "server.key"
    for path, text in zip(paths, (certificate, key), strict=True):
        path.write_text(text)
    context.load_cert_chain(*paths)
    return context


def word_of(connection: socket.socket, tls: ssl.SSLContext | None = None, name: str = "") -> str:
    """What such a server says at the other end; an OSError when nobody is there."""
    with connection, tls.wrap_socket(connection, server_hostname=name) if tls else connection as stream:
        stream.sendall(b"?")
        said = b""
        while part := stream.recv(100):
            said += part
    if not said:
        raise ConnectionResetError("closed without a byte")
    return said.decode()


def tunnel(egress: tuple[str, int], target: str) -> socket.socket:
    """A connection by CONNECT through a sidecar."""
    connection = socket.create_connection(egress, timeout=20)
    connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = connection.recv(1)
        if not part:
            raise ConnectionResetError("no answer to CONNECT")
        head += part
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ConnectionRefusedError(head.split(b"\r\n")[0].decode())
    return connection

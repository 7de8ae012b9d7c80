"""An HTTP/1.1 server that says what HTTP libraries do not let a server say: 1xx answers and upgrades."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-answer: yes\r\n\r\n"


@contextlib.contextmanager
def raw_server(address: tuple[str, int]) -> Iterator[None]:
    """`/continue` says 100 and reads the body, `/hints` says 103, `/upgrade` echoes after a 101."""
    with socket.create_server(address) as listening:
        thread = threading.Thread(target=_accept, args=(listening,), daemon=True)
        thread.start()
        yield
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listening: socket.socket) -> None:
    while True:
        try:
            taken, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(taken,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    """One request after the other, as sidecars keep their connections."""
    with contextlib.suppress(OSError), connection:
        while True:
            method, path = head_of(connection).split(" ")[:2]
            if path == "/upgrade":
                _upgraded(connection)
                return
            body = b"hello"
            if path == "/continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = connection.recv(5)
            if path == "/hints":
                connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n")
            connection.sendall(ANSWER if method == "HEAD" else ANSWER + body)


def _upgraded(connection: socket.socket) -> None:
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    )
    while part := connection.recv(100):
        connection.sendall(part.upper())


def head_of(connection: socket.socket) -> str:
    """Everything up to the empty line, read byte by byte, so that what follows stays."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = connection.recv(1)
        if not part:
            raise ConnectionResetError(f"closed after {head!r}")
        head += part
    return head.decode()

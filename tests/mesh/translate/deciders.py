"""Services that decide about requests, as CUSTOM policies ask them: over HTTP, and over gRPC."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

_ALLOWED = b""
_FORBIDDEN = b"\x0a\x02\x08\x07"  # CheckResponse{status{code: PERMISSION_DENIED}}
_CHECK = "/envoy.service.auth.v3.Authorization/Check"


class _Handler(BaseHTTPRequestHandler):
    """Forbids what asks to be forbidden; the answers have headers of every kind."""

    protocol_version = "HTTP/1.1"
    server: _Decider

    def _decide(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        seen = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, seen, self.rfile.read(length).decode()))
        self.send_response(403 if seen.get("x-ask") == "no" else 200)
        for name in ("x-user", "x-reason", "x-secret"):
            self.send_header(name, f"{name} said")
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST = _decide

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Decider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        self.asked: list[tuple[str, dict[str, str], str]] = []
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look its own name up in the DNS
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


@contextlib.contextmanager
def http_decider(address: tuple[str, int]) -> Iterator[list[tuple[str, dict[str, str], str]]]:
    """Paths, headers and bodies of what was asked."""
    server = _Decider(address)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def grpc_decider(address: tuple[str, int]) -> Iterator[list[bytes]]:
    """The bytes of what was asked; whatever speaks of `forbidden` is."""
    asked: list[bytes] = []

    def check(request: bytes, _context: grpc.ServicerContext) -> bytes:
        asked.append(request)
        return _FORBIDDEN if b"forbidden" in request else _ALLOWED

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
            return grpc.unary_unary_rpc_method_handler(check) if details.method == _CHECK else None

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()])
    assert server.add_insecure_port(f"{address[0]}:{address[1]}")
    server.start()
    try:
        yield asked
    finally:
        server.stop(None).wait()

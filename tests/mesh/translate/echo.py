"""The process behind a sidecar: it answers with what reached it."""

from __future__ import annotations

import json
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class EchoServer(ThreadingHTTPServer):
    """Answers with what it was sent. `/status/503` answers 503; `x-sleep: 0.5` waits first."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], pod: str, requests: list[dict[str, Any]]) -> None:
        self.pod = pod
        self.requests = requests
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look its own name up in the DNS
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for head and body
    disable_nagle_algorithm = True
    server: EchoServer

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        seen = {
            "pod": self.server.pod,
            "method": self.command,
            "path": self.requestline.split(" ")[1],  # self.path joins slashes
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode(),
        }
        self.server.requests.append(seen)
        time.sleep(float(self.headers.get("x-sleep") or 0))
        _, _, asked = self.path.partition("/status/")
        status = int(asked[:3]) if asked else 200
        text = json.dumps(seen).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = _answer

    def log_message(self, format: str, *args: Any) -> None:
        pass

"""A server that tells which version answered; `EXIT_AT_START`, /exit, /status/500 and /sleep/0.3 misbehave.

Standard library only: it starts fast, and what it shows is what the mesh gave it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("VERSION", "v1")


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/exit":
            os._exit(3)
        body: object = VERSION
        if self.path == "/env":
            body = dict(os.environ)
        elif self.path.startswith("/file?"):
            with open(self.path.partition("?")[2]) as file:
                body = file.read()
        elif self.path.startswith("/call?"):
            with urllib.request.urlopen(self.path.partition("?")[2], timeout=5) as answer:
                body = answer.read().decode()
        elif self.path.startswith("/sleep/"):
            time.sleep(float(self.path.removeprefix("/sleep/")))
        status = int(self.path.removeprefix("/status/")) if self.path.startswith("/status/") else 200
        self._answer(json.dumps(body).encode(), status)

    def _answer(self, data: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False  # requests that are being answered are answered
    request_queue_size = 256


def main() -> None:
    if os.environ.get("EXIT_AT_START"):
        sys.exit("told to exit at start")
    server = Server((os.environ["HOST"], int(os.environ["PORT"])), Echo)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"listening as {VERSION}\n")
    server.serve_forever(poll_interval=0.05)
    os._exit(0)  # connections kept alive by a proxy must not hold it


if __name__ == "__main__":
    main()

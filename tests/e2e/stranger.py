"""A server outside of the mesh, and a link checker for which it is a public one and days pass in seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from services.link_checker.settings import UNSAFE
from tests.e2e.installation import NAMESPACE, Installation

# Days pass in seconds here.
HURRY = {
    "FIRST_INTERVAL_S": "1",
    "RETRY_INTERVAL_S": "0.5",
    "DEAD_AFTER_FAILURES": "2",
    "DEAD_AFTER_S": "0.4",
    "HOST_PAUSE_S": "0.1",
}
PAGE = b"<title>A page of a stranger</title>"


class Stranger(ThreadingHTTPServer):
    """A server outside of the mesh that counts who comes."""

    daemon_threads = True

    def __init__(self, host: str) -> None:
        self.asked: list[str] = []
        self.gone = {"/robots.txt"}
        super().__init__((host, 0), Answering)

    def get_request(self) -> tuple[Any, Any]:
        self.asked.append("a connection")
        return super().get_request()

    def url(self, path: str = "/") -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}{path}"


class Answering(BaseHTTPRequestHandler):
    server: Stranger

    def do_GET(self) -> None:
        found = self.path not in self.server.gone
        self.send_response(200 if found else 404)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(PAGE)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(PAGE)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def stranger(host: str) -> Iterator[Stranger]:
    with Stranger(host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def taken_for_public(installation: Installation) -> Iterator[Stranger]:
    """A server that the checker is told to take for a public one as long as the block lasts."""
    documents = yaml.safe_load_all((installation.checkout / "helm" / "local.yaml").read_text())
    original = next(
        document
        for document in documents
        if document["kind"] == "ConfigMap" and document["metadata"]["name"] == "link-checker"
    )
    with stranger("127.0.0.1") as server:
        host, port = server.server_address[:2]
        opened = {"UNSAFE_TEST_REACHABLE": f"{host!s}:{port}", "UNSAFE_TEST_CONSENT": UNSAFE, **HURRY}
        _told(installation, {**original, "data": original["data"] | opened})
        yield server
        _told(installation, original)


def _told(installation: Installation, config: dict[str, Any]) -> None:
    file: Path = installation.folder / "link-checker.yaml"
    file.write_text(yaml.safe_dump(config))
    installation.told("mesh", "apply", "-f", str(file))
    installation.told("mesh", "restart", "deployment/link-checker-v1", "-n", NAMESPACE)

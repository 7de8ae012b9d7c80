"""The link checker in the mesh: saved links are checked, and nobody is reached who should not be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.link_checker.settings import UNSAFE
from tests.e2e.installation import NAMESPACE, Account, Installation, eventually, from_pod

CHECKED_WITHIN_S = 30.0
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


@pytest.fixture(scope="module")
def public(installation: Installation) -> Iterator[Stranger]:
    """A server that the checker is told to take for a public one, until the tests are done."""
    documents = yaml.safe_load_all((installation.checkout / "helm" / "local.yaml").read_text())
    original = next(
        document
        for document in documents
        if document["kind"] == "ConfigMap" and document["metadata"]["name"] == "link-checker"
    )
    with stranger("127.0.0.1") as server:
        host, port = server.server_address[:2]
        opened = {"UNSAFE_TEST_REACHABLE": f"{host!s}:{port}", "UNSAFE_TEST_CONSENT": UNSAFE, **HURRY}
        told(installation, {**original, "data": original["data"] | opened})
        yield server
        told(installation, original)


def told(installation: Installation, config: dict[str, Any]) -> None:
    file: Path = installation.folder / "link-checker.yaml"
    file.write_text(yaml.safe_dump(config))
    installation.told("mesh", "apply", "-f", str(file))
    installation.told("mesh", "restart", "deployment/link-checker-v1", "-n", NAMESPACE)


def save(edge: httpx.Client, account: Account, url: str) -> int:
    saved = edge.post("/api/v1/links", json={"url": url}, headers=account.headers)
    assert saved.status_code == 201, saved.text
    link_id: int = saved.json()["id"]
    return link_id


def checked(edge: httpx.Client, account: Account, link_id: int) -> dict[str, Any]:
    """The link once a check has told of it."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = edge.get(f"/api/v1/links/{link_id}", headers=account.headers).json()
        return found if found["checked_at"] else None

    return eventually(look, CHECKED_WITHIN_S, f"link {link_id} is checked")


def test_a_saved_link_is_checked_and_gets_its_title(
    public: Stranger, edge: httpx.Client, account: Account
) -> None:
    link = checked(edge, account, save(edge, account, public.url()))
    assert (link["health"], link["title"]) == ("alive", "A page of a stranger")


def test_a_link_that_dies_is_reported(public: Stranger, edge: httpx.Client, account: Account) -> None:
    link_id = save(edge, account, public.url("/dies"))
    assert checked(edge, account, link_id)["health"] == "alive"
    public.gone.add("/dies")

    def dead() -> bool:
        link = edge.get(f"/api/v1/links/{link_id}", headers=account.headers).json()
        return (link["health"], link["health_reason"]) == ("dead", "not-found")

    eventually(dead, CHECKED_WITHIN_S, "the link is dead")


def test_no_neighbour_is_reached_through_a_saved_link(
    public: Stranger, installation: Installation, edge: httpx.Client, account: Account
) -> None:
    """A server on loopback, the pods of the mesh, their proxies, names of the neighbourhood."""
    pod = installation.pod("users-v1")
    with stranger("127.0.0.2") as secret:
        urls = [
            secret.url(),
            secret.url("/").replace("127.0.0.2", "[::ffff:127.0.0.2]"),
            f"http://{pod['ip']}:8080/healthz/live",
            f"http://{pod['admin']}/config_dump",
            f"http://{pod['egress']}/",
            "http://users.delinkcious.svc.cluster.local:8081/.well-known/jwks.json",
            "http://169.254.169.254/latest/meta-data/",
        ]
        links = [checked(edge, account, save(edge, account, url)) for url in urls]
        assert [(link["health"], link["health_reason"]) for link in links] == [("unknown", "refused")] * len(
            urls
        )
        assert secret.asked == []


def test_only_the_pages_may_ask_and_the_checker_may_ask_nobody(
    installation: Installation, edge: httpx.Client
) -> None:
    for workload in ("users-v1", "links-v1", "link-checker-v1"):
        with from_pod(installation.pod(workload)) as client:
            answer = client.post("http://link-checker/internal/v1/pages", json={"url": "http://example.org/"})
            assert answer.status_code == 403, workload
    with from_pod(installation.pod("link-checker-v1")) as client:
        for url in (
            "http://links/api/v1/links",
            "http://links/internal/v1/links",
            "http://users/internal/v1/users?id=1",
            "http://users/api/v1/users/me",
        ):
            assert client.get(url).status_code == 403, url
    assert edge.post("/internal/v1/pages", json={"url": "http://example.org/"}).status_code in (403, 404)

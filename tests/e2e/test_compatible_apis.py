"""Other programs' interfaces through the real ingress: requests, long lines, tokens in addresses."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from tests.e2e.installation import PASSWORD, Account, Installation, eventually

URL = "https://example.org/kept"
# What nobody else writes, so that finding it in a file means that a query was written there.
MARK = "verysecretword"
FLUSHED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Program:
    """A program of an account, with an API token of its own."""

    edge: httpx.Client
    account: Account
    token: str

    @property
    def auth_token(self) -> str:
        return f"{self.account.name}:{self.token}"

    def pinboard(self, method: str, **parameters: str) -> httpx.Response:
        given = {"auth_token": self.auth_token, "format": "json", **parameters}
        return self.edge.get(f"/v1/{method}", params=given)

    def linkding(self, method: str, path: str, **arguments: object) -> httpx.Response:
        headers = {"authorization": f"Token {self.token}"}
        return self.edge.request(method, f"/api/{path}", headers=headers, **arguments)  # type: ignore[arg-type]


@pytest.fixture
def program(edge: httpx.Client, account: Account) -> Program:
    new = {"name": "program", "scopes": ["read", "write"]}
    made = edge.post("/api/v1/tokens", json=new, headers=account.headers)
    return Program(edge, account, made.json()["token"])


def test_one_bookmark_through_both_interfaces(program: Program) -> None:
    added = program.pinboard(
        "posts/add", url=URL, description="Kept", tags="Mixed Case", extended="n", shared="no"
    )
    assert added.json() == {"result_code": "done"}

    listed = program.linkding("GET", "bookmarks/", params={"q": "kept #mixed"}).json()
    assert listed["count"] == 1
    bookmark = listed["results"][0]
    assert (bookmark["url"], bookmark["tag_names"], bookmark["shared"]) == (URL, ["Case", "Mixed"], False)

    changed = program.linkding(
        "PATCH", f"bookmarks/{bookmark['id']}/", json={"notes": "second", "shared": True}
    )
    assert changed.status_code == 200
    posts = program.pinboard("posts/all").json()
    assert [(post["href"], post["tags"], post["shared"]) for post in posts] == [(URL, "Case Mixed", "yes")]
    assert (
        program.edge.get("/api/bookmarks/shared/", params={"user": program.account.name}).json()["count"] == 1
    )
    assert program.linkding("DELETE", f"bookmarks/{bookmark['id']}/").status_code == 204
    assert program.pinboard("posts/get", url=URL).json()["posts"] == []


def test_a_password_is_exchanged_for_a_token_at_the_edge(program: Program) -> None:
    shown = base64.b64encode(f"{program.account.name}:{PASSWORD}".encode()).decode()
    answer = program.edge.get(
        "/v1/user/api_token", params={"format": "json"}, headers={"authorization": f"Basic {shown}"}
    )
    assert answer.status_code == 200, answer.text
    token = answer.json()["result"]
    other = Program(program.edge, program.account, token)
    assert other.pinboard("posts/update").status_code == 200


def test_personal_tokens_and_access_tokens_pass_the_edge(program: Program) -> None:
    right = program.edge.get("/api/bookmarks/", headers={"authorization": f"Token {program.token}"})
    wrong = program.edge.get("/api/bookmarks/", headers={"authorization": "Token nonsense"})
    access = program.edge.get("/api/bookmarks/", headers=program.account.headers)
    assert (right.status_code, wrong.status_code, access.status_code) == (200, 401, 200)
    assert wrong.json() == {"detail": "Invalid token."}


def test_what_calls_itself_a_bearer_token_must_be_an_access_token_already_at_the_edge(
    program: Program,
) -> None:
    answer = program.edge.get("/api/bookmarks/", headers={"authorization": f"Bearer {program.token}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_addresses_that_clients_make(program: Program) -> None:
    assert program.edge.get("/health").json()["status"] == "healthy"
    assert program.linkding("GET", "tags?limit=10").status_code == 301
    doubled = program.edge.get(
        program.edge.base_url.copy_with(path="//api/tags/"),
        headers={"authorization": f"Token {program.token}"},
    )
    assert doubled.status_code == 200
    for name in "ab":
        program.pinboard("posts/add", url=f"https://example.org/{name}", description=name)
    page = program.linkding("GET", "bookmarks/", params={"limit": 1}).json()
    assert page["next"].startswith(str(program.edge.base_url).rstrip("/") + "/api/bookmarks/")
    assert program.linkding("GET", page["next"].partition("/api/")[2]).json()["next"] is None


def test_an_extension_gets_its_preflight(program: Program) -> None:
    origin = "moz-extension://0f9a7c9e-0000-4000-8000-000000000000"
    for path in ("/api/bookmarks/", "/v1/posts/get"):
        answer = program.edge.options(
            path,
            headers={
                "origin": origin,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type",
            },
        )
        assert answer.status_code in (200, 204)
        assert answer.headers["access-control-allow-origin"] == origin


@pytest.fixture
def raw(installation: Installation) -> Iterator[http.client.HTTPSConnection]:
    """A connection that sends any request line."""
    at = urlsplit(installation.url)
    connection = http.client.HTTPSConnection(
        str(at.hostname), at.port, context=installation.trusted, timeout=30
    )
    yield connection
    connection.close()


def test_long_request_lines_are_taken_and_longer_ones_told_so(
    program: Program, raw: http.client.HTTPSConnection
) -> None:
    query = {"auth_token": program.auth_token, "format": "json", "url": URL, "description": "Long"}
    start = f"/v1/posts/add?{urlencode(query)}&extended="
    room = 64 * 1024 - len(f"GET {start} HTTP/1.1")
    for length, status in ((room, 200), (room + 1, 414), (room + 500_000, 414), (10, 200)):
        raw.request("GET", start + "n" * length)
        answer = raw.getresponse()
        body = answer.read()
        assert answer.status == status, (length, body[:200])
    assert json.loads(body) == {"result_code": "done"}


def test_no_token_of_an_address_is_written_anywhere(
    installation: Installation, program: Program, raw: http.client.HTTPSConnection
) -> None:
    params = {"auth_token": program.auth_token, "url": URL, "description": MARK}
    traced = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    for method in ("posts/add", "posts/get", "posts/all", "posts/nothing", "user/api_token"):
        program.edge.get(f"/v1/{method}", params=params, headers=traced)
    wrong = f"{program.account.name}:{program.token}x"
    program.edge.get("/v1/posts/all", params={"auth_token": wrong, "tag": MARK})
    program.edge.get(
        "/api/bookmarks/", params={"q": MARK}, headers={"authorization": f"Token {program.token}"}
    )
    for length in (70_000, 2_000_000):  # refused by the service, and by the edge itself
        raw.request("GET", f"/v1/posts/add?{urlencode(params)}&extended={'n' * length}")
        assert raw.getresponse().status in (414, 431)
        raw.close()

    logs = list(installation.state.rglob("*.log"))
    eventually(
        lambda: any("/v1/posts/nothing" in text(path) for path in logs),
        FLUSHED_WITHIN_S,
        "the calls are logged",
    )
    secret = program.token.removeprefix("dlk_")
    files = [path for path in installation.state.rglob("*") if path.is_file()]
    assert [path for path in files if secret in text(path)] == []
    assert [path for path in logs if MARK in text(path)] == []


def text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")

"""Who may read the console: this machine's browser on its own account, nobody by another site's page."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from mesh.console.guard import Guard, is_local


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"))])
    return TestClient(Guard(app), base_url="http://127.1.2.3:7070")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.12.0.9:7070", True),
        ("127.0.0.1", True),
        ("localhost:7070", True),
        ("[::1]:7070", True),
        ("evil.example:7070", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:7070", False),
        ("10.0.0.1:7070", False),
        ("", False),
        ("0.0.0.0:7070", False),
        ("user@127.0.0.1", False),
    ],
)
def test_only_names_that_no_name_server_decides_on_are_this_machine(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_it_answers_with_a_strict_policy_and_lets_no_other_origin_read(client: TestClient) -> None:
    answer = client.get("/", headers={"origin": "https://evil.example"})
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_every_answer_has_a_nonce_of_its_own(client: TestClient) -> None:
    assert len({client.get("/").headers["content-security-policy"] for _ in range(3)}) == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(client: TestClient, method: str) -> None:
    answer = client.request(method, "/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "destination", "status"),
    [
        ("cors", "empty", 403),
        ("no-cors", "image", 403),
        ("no-cors", "script", 403),
        ("navigate", "iframe", 403),
        ("navigate", "document", 200),  # a link that somebody followed
    ],
)
def test_other_sites_may_only_link(
    client: TestClient, site: str, mode: str, destination: str, status: int
) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": destination}
    assert client.get("/", headers=headers).status_code == status


def test_a_name_that_was_made_to_lead_here_is_refused(client: TestClient) -> None:
    answer = client.get("/", headers={"host": "rebound.evil.example:7070"})
    assert (answer.status_code, "in" in answer.text.split()) == (421, False)

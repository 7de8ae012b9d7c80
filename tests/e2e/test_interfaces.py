"""Every OpenAPI document is kept to through the public edge, and no operation reaches another's things."""

from __future__ import annotations

import logging
from collections import Counter

import httpx
import pytest

from tests.e2e.installation import PASSWORD, Account, Installation, Json
from tests.e2e.interfaces import body_of, calls, conforms, document

WORKLOADS = ("users-v1", "links-v1", "social-graph-v1", "web-v1")
SAMPLE = ("social-graph-v1",)  # the others have many more operations
SECRET = "private-thing-of-ada"
log = logging.getLogger(__name__)


def shown(workload: str, operations: int, statuses: Counter[int]) -> None:
    """`pytest --log-cli-level=info` prints the figures."""
    log.info("%s: %s operations, %s answers: %s", workload, operations, statuses.total(), dict(statuses))
    assert operations
    assert statuses.total() >= operations


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workload", SAMPLE)
def test_no_answer_at_the_edge_is_undocumented_or_a_server_error(
    installation: Installation, account: Account, workload: str
) -> None:
    shown(workload, *conforms(installation, document(installation, workload), account, examples=4))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_answer_at_the_edge_is_undocumented_or_a_server_error_however_it_is_asked(
    installation: Installation, account: Account, workload: str
) -> None:
    shown(workload, *conforms(installation, document(installation, workload), account, examples=100))


def _link() -> Json:
    return {"url": f"https://example.org/{SECRET}", "private": True, "tags": [SECRET], "note": SECRET}


class Things:
    """What ada has, by the names that parameters of paths have, and a picture of all of it."""

    def __init__(self, edge: httpx.Client, account: Account) -> None:
        self._edge = edge
        self._account = account
        self.ids: dict[str, list[str]] = {}

    def make(self) -> None:
        link = self._made("POST", "/api/v1/links", _link())
        self._made("POST", "/api/v1/tokens", {"name": SECRET, "scopes": ["read"]})
        tokens = self._edge.get("/api/v1/tokens", headers=self._account.headers).json()
        sessions = self._edge.get("/api/v1/sessions", headers=self._account.headers).json()
        entries = self._edge.get("/api/v1/tags/entries", headers=self._account.headers).json()
        self._edge.put(
            "/api/v1/imports/ada-s-key",
            content=b'<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><DT><A HREF="https://example.org/i">i</A></DL>',
            headers=self._account.headers,
        ).raise_for_status()
        self.ids = {
            "link_id": [str(link["id"])],
            "token_id": [str(token["id"]) for token in tokens["items"]],
            "session_id": [str(session["id"]) for session in sessions["items"]],
            "key": ["ada-s-key"],
            "tag_id": [str(tag["id"]) for tag in entries["items"]],
            # She has none: whatever number it would have.
            "identity_id": ["1", "2", "3"],
            "provider": ["nobody"],
        }

    def picture(self) -> list[Json]:
        """Everything of ada's that can be read, for a comparison."""
        paths = (
            "/api/v1/links",
            "/api/v1/links/counts",
            "/api/v1/tags",
            "/api/v1/tokens",
            "/api/v1/users/me",
            "/api/v1/imports/ada-s-key",
            "/api/v1/following",
            "/api/v1/blocks",
        )
        return [
            self._edge.get(path, headers=self._account.headers).raise_for_status().json() for path in paths
        ]

    def _made(self, method: str, path: str, body: Json) -> Json:
        answer = self._edge.request(method, path, json=body, headers=self._account.headers)
        found: Json = answer.raise_for_status().json()
        return found


@pytest.fixture
def things(edge: httpx.Client, account: Account) -> Things:
    found = Things(edge, account)
    found.make()
    return found


@pytest.mark.timeout(300)
def test_no_operation_lets_one_user_read_or_change_what_is_another_s(
    installation: Installation, edge: httpx.Client, account: Account, things: Things
) -> None:
    before = things.picture()
    mallory = installation.account()
    tried = 0
    for workload in WORKLOADS:
        schema = document(installation, workload)
        people = {"username": [account.name], "name": [account.name]}
        for call in calls(schema, {**things.ids, **people}):
            content = body_of(call, schema)
            headers = {**mallory.headers, **({"content-type": "application/json"} if content else {})}
            answer = edge.request(call.method, call.path, content=content, headers=headers)
            tried += 1
            assert SECRET not in answer.text, f"{call.method} {call.path} tells: {answer.text[:500]}"
            assert answer.status_code < 500, f"{call.method} {call.path}: {answer.text[:500]}"
        for path in schema["paths"]:
            if "{" not in path and "get" in schema["paths"][path]:
                answer = edge.get(path, headers=mallory.headers, params={"owner": str(account.id)})
                tried += 1
                assert SECRET not in answer.text, f"GET {path} tells: {answer.text[:500]}"
    log.info("%s requests in another's name", tried)
    assert tried > 20
    assert things.picture() == before
    signed_in = edge.post("/api/v1/sessions", json={"username": account.name, "password": PASSWORD})
    assert signed_in.is_success

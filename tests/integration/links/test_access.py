"""Who may do what: an owner's links are the owner's alone, and a token may do what its scope says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.links.conftest import AsUser

pytestmark = pytest.mark.anyio

LINKS = "/api/v1/links"

WRITES: list[tuple[str, str, Any]] = [
    ("POST", LINKS, {"url": "https://example.org/new"}),
    ("PATCH", f"{LINKS}/1", {"title": "x"}),
    ("DELETE", f"{LINKS}/1", None),
    ("POST", f"{LINKS}/bulk", {"operations": [{"op": "delete", "ids": [1]}]}),
    ("POST", "/api/v1/tags/rename", {"tag": "a", "to": "b"}),
    ("POST", "/api/v1/tags/merge", {"tags": ["a"], "into": "b"}),
    ("DELETE", "/api/v1/tags?tag=a", None),
]
READS = [
    LINKS,
    f"{LINKS}/1",
    f"{LINKS}/counts",
    f"{LINKS}?owner=1",
    "/api/v1/tags",
    "/api/v1/tags/suggestions",
]


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"title": "mine"}), ("DELETE", None)])
async def test_a_link_of_somebody_else_is_not_there(
    as_user: AsUser, private: bool, method: str, body: dict[str, Any] | None
) -> None:
    anna, bert = as_user(1), as_user(2)
    link = (await anna.post(LINKS, json={"url": "https://example.org/", "private": private})).json()
    theirs = await bert.request(method, f"{LINKS}/{link['id']}", json=body)
    nobodys = await bert.request(method, f"{LINKS}/{link['id'] + 1_000}", json=body)
    assert theirs.status_code == nobodys.status_code == 404
    assert set(theirs.json()) == set(nobodys.json())
    assert (await anna.get(f"{LINKS}/{link['id']}")).json() == link


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_a_token_for_reading_cannot_write(as_user: AsUser, method: str, path: str, body: Any) -> None:
    answer = await as_user(1, "read").request(method, path, json=body)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", READS)
async def test_a_token_for_writing_only_cannot_read(as_user: AsUser, path: str) -> None:
    assert (await as_user(1, "write").get(path)).status_code == 403


@pytest.mark.parametrize(("method", "path", "body"), [*WRITES, *(("GET", path, None) for path in READS)])
async def test_nothing_is_done_or_told_without_a_token(
    as_user: AsUser, method: str, path: str, body: Any
) -> None:
    anonymous = as_user(1)
    del anonymous.headers["authorization"]
    answer = await anonymous.request(method, path, json=body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")

"""Reading, editing and deleting one link, against what others do to it meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.links.conftest import AsUser, Execute

pytestmark = pytest.mark.anyio

URL = "/api/v1/links"


async def saved(
    client: httpx.AsyncClient, url: str = "https://example.org/", **fields: Any
) -> dict[str, Any]:
    answer = await client.post(URL, json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    link: dict[str, Any] = answer.json()
    return link


async def test_an_unchanged_link_is_not_sent_again(as_user: AsUser) -> None:
    anna = as_user(1)
    link = await saved(anna)
    first = await anna.get(f"{URL}/{link['id']}")
    again = await anna.get(f"{URL}/{link['id']}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await anna.patch(f"{URL}/{link['id']}", json={"title": "new"})
    changed = await anna.get(f"{URL}/{link['id']}", headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["title"]) == (200, "new")


async def test_an_edit_changes_what_is_sent_and_nothing_else(as_user: AsUser) -> None:
    anna = as_user(1)
    before = await saved(anna, title="t", note="n", tags=["a", "b"], to_read=True)
    answer = await anna.patch(f"{URL}/{before['id']}", json={"tags": [], "to_read": False})
    assert answer.status_code == 200
    after = answer.json()
    expected = {"tags": [], "to_read": False, "version": 2, "updated_at": after["updated_at"]}
    assert after == before | expected
    assert answer.headers["etag"] == '"2"'


@pytest.mark.parametrize("body", [{"title": None}, {"strip_tracking": True}, {"id": 7}, [], "x"])
async def test_an_edit_of_what_cannot_be_edited_is_refused(as_user: AsUser, body: Any) -> None:
    anna = as_user(1)
    link = await saved(anna)
    assert (await anna.patch(f"{URL}/{link['id']}", json=body)).status_code == 400


async def test_an_address_that_another_link_has_is_a_conflict(as_user: AsUser) -> None:
    anna = as_user(1)
    await saved(anna, "https://example.org/one")
    two = await saved(anna, "https://example.org/two")
    answer = await anna.patch(f"{URL}/{two['id']}", json={"url": "HTTPS://example.org/one"})
    assert answer.status_code == 409
    same = await anna.patch(f"{URL}/{two['id']}", json={"url": "HTTPS://example.org/two"})
    assert same.status_code == 200


async def test_a_new_address_has_not_been_checked_yet(as_user: AsUser, execute: Execute) -> None:
    anna = as_user(1)
    link = await saved(anna)
    await execute("UPDATE links SET health = 'dead', checked_at = now(), version = version + 1")
    kept = await anna.patch(f"{URL}/{link['id']}", json={"url": link["url"], "title": "x"})
    assert kept.json()["health"] == "dead"
    moved = await anna.patch(f"{URL}/{link['id']}", json={"url": "https://example.org/moved"})
    assert (moved.json()["health"], moved.json()["checked_at"]) == ("unknown", None)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("if_match", "passes"),
    [
        ('"1"', True),
        ("*", True),
        ('"7", "1"', True),
        ('"2"', False),
        ('W/"1"', False),
        ("1", False),
        ('"one"', False),
    ],
)
async def test_a_change_is_made_only_to_the_version_it_names(
    as_user: AsUser, method: str, if_match: str, passes: bool
) -> None:
    anna = as_user(1)
    link = await saved(anna)
    body = {"title": "new"} if method == "PATCH" else None
    answer = await anna.request(method, f"{URL}/{link['id']}", headers={"If-Match": if_match}, json=body)
    assert answer.status_code == ((200 if method == "PATCH" else 204) if passes else 412)
    still = await anna.get(f"{URL}/{link['id']}")
    assert passes or still.json() == link


async def test_of_two_edits_of_one_version_one_fails(as_user: AsUser) -> None:
    anna = as_user(1)
    link = await saved(anna)
    answers = await asyncio.gather(
        *(
            anna.patch(f"{URL}/{link['id']}", json={"title": title}, headers={"If-Match": '"1"'})
            for title in ("one", "two")
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await anna.get(f"{URL}/{link['id']}")).json() == winner.json()


async def test_a_deleted_link_is_gone_and_its_address_free(as_user: AsUser) -> None:
    anna = as_user(1)
    link = await saved(anna, tags=["a"])
    assert (await anna.delete(f"{URL}/{link['id']}")).status_code == 204
    assert (await anna.get(f"{URL}/{link['id']}")).status_code == 404
    assert (await anna.delete(f"{URL}/{link['id']}")).status_code == 404
    assert (await anna.get("/api/v1/tags")).json()["items"] == []
    assert (await saved(anna))["id"] != link["id"]


@pytest.mark.parametrize("link_id", ["0", "9223372036854775808", "99999999999999999999", "-1", "x"])
async def test_what_no_id_can_be_is_not_found(as_user: AsUser, link_id: str) -> None:
    answer = await as_user(1).get(f"{URL}/{link_id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"

"""Saving: one link per address and owner, its fields in their stored form, within an owner's quota."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.links.conftest import AsUser

pytestmark = pytest.mark.anyio

URL = "/api/v1/links"


async def test_a_new_link_is_created_with_its_address_and_version(as_user: AsUser) -> None:
    anna = as_user(1)
    answer = await anna.post(
        URL,
        json={
            "url": " HTTPS://Example.ORG:443 ",
            "title": " Two\n words ",
            "note": "why",
            "tags": ["Web", "b c", "web", ","],
            "private": True,
            "to_read": True,
            "created_at": "2010-01-02T03:04:05+02:00",
        },
    )
    assert answer.status_code == 201
    link = answer.json()
    assert answer.headers["location"] == f"{URL}/{link['id']}"
    assert answer.headers["etag"] == '"1"'
    assert link["updated_at"].endswith("Z")
    assert {name: link[name] for name in link if name not in ("id", "updated_at")} == {
        "owner_id": 1,
        "url": "https://example.org/",
        "title": "Two words",
        "note": "why",
        "tags": ["b-c", "web"],
        "private": True,
        "to_read": True,
        "health": "unknown",
        "health_reason": "",
        "suggested_url": None,
        "checked_at": None,
        "created_at": "2010-01-02T01:04:05Z",
        "version": 1,
        "notes": "",
        "archived": False,
    }
    assert (await anna.get(answer.headers["location"])).json() == link


async def test_saving_the_same_address_again_updates_what_is_sent_and_keeps_the_rest(as_user: AsUser) -> None:
    anna = as_user(1)
    first = {"url": "https://example.org", "title": "Old", "note": "kept", "tags": ["kept"], "private": True}
    before = (await anna.post(URL, json=first)).json()
    answer = await anna.post(URL, json={"url": "HTTPS://EXAMPLE.org/", "title": ""})
    assert answer.status_code == 200
    after = answer.json()
    assert after == before | {"title": "", "version": 2, "updated_at": after["updated_at"]}
    assert answer.headers["etag"] == '"2"'
    assert after["updated_at"] > before["updated_at"]


async def test_two_owners_have_each_their_own_link_of_one_address(as_user: AsUser) -> None:
    ids = {
        (await as_user(owner).post(URL, json={"url": "https://example.org/"})).json()["id"]
        for owner in (1, 2)
    }
    assert len(ids) == 2


async def test_tracking_is_removed_on_request_only(as_user: AsUser) -> None:
    anna = as_user(1)
    url = "https://example.org/?utm_source=x&id=1"
    assert (await anna.post(URL, json={"url": url})).json()["url"] == url
    stripped = await anna.post(URL, json={"url": url, "strip_tracking": True})
    assert stripped.json()["url"] == "https://example.org/?id=1"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"url": "javascript:alert(1)"}, 422, "/url"),
        ({"url": "https://example.org/" + "x" * 8_192}, 422, "/url"),
        ({"url": "https://example.org/", "title": "t" * 1_001}, 422, "/title"),
        ({"url": "https://example.org/", "note": "n" * 65_537}, 422, "/note"),
        ({"url": "https://example.org/", "tags": ["ok", "t" * 256]}, 422, "/tags/1"),
        ({"url": "https://example.org/", "tags": [f"t{n}" for n in range(101)]}, 422, "/tags"),
        ({"url": "https://example.org/", "colour": "red"}, 400, "/colour"),
        ({"url": "https://example.org/", "private": "yes"}, 400, "/private"),
        ({"url": "https://example.org/", "created_at": "yesterday"}, 400, "/created_at"),
        ({"title": "no address"}, 400, "/url"),
    ],
)
async def test_a_wrong_field_is_named_by_its_place(
    as_user: AsUser, body: dict[str, Any], status: int, pointer: str
) -> None:
    answer = await as_user(1).post(URL, json=body)
    assert (answer.status_code, answer.json()["pointer"]) == (status, pointer)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("max_links", [3])
async def test_the_quota_refuses_a_new_link_and_still_updates_an_old_one(as_user: AsUser) -> None:
    anna = as_user(1)
    for number in range(3):
        assert (await anna.post(URL, json={"url": f"https://example.org/{number}"})).status_code == 201
    refused = await anna.post(URL, json={"url": "https://example.org/3"})
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("/quota-exceeded")
    assert refused.json()["limit"] == 3
    assert (await anna.post(URL, json={"url": "https://example.org/1"})).status_code == 200
    assert (await as_user(2).post(URL, json={"url": "https://example.org/3"})).status_code == 201


@pytest.mark.parametrize("max_links", [5])
async def test_the_quota_holds_when_links_are_saved_at_the_same_time(as_user: AsUser) -> None:
    anna = as_user(1)
    await anna.post(URL, json={"url": "https://example.org/first"})
    answers = await asyncio.gather(
        *(anna.post(URL, json={"url": f"https://example.org/{number}"}) for number in range(12))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [409] * 8


async def test_one_address_saved_many_times_at_once_is_one_link(as_user: AsUser) -> None:
    anna = as_user(1)
    answers = await asyncio.gather(*(anna.post(URL, json={"url": "https://example.org/"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 9))


async def test_a_save_that_is_sent_again_under_its_key_is_answered_again(as_user: AsUser) -> None:
    anna = as_user(1)
    key = {"Idempotency-Key": "save-1"}
    first = await anna.post(URL, json={"url": "https://example.org/"}, headers=key)
    again = await anna.post(URL, json={"url": "https://example.org/"}, headers=key)
    other = await anna.post(URL, json={"url": "https://example.org/other"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert (await anna.get(f"{URL}/counts")).json()["links"] == 1

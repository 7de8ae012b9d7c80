"""What other services may ask: with the service token, for no user."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from services.kit.http import SERVICE_TOKEN
from tests.integration.links.conftest import TOKEN, AsUser

pytestmark = pytest.mark.anyio


def service(app: Starlette, token: str = TOKEN) -> httpx.AsyncClient:
    headers = {SERVICE_TOKEN: token}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://links", headers=headers)


async def saved(as_user: AsUser) -> None:
    for owner in (1, 2):
        for number in range(4):
            body = {
                "url": f"https://example.org/{number}",
                "private": number == 3,
                "tags": [f"t{number % 2}"],
            }
            assert (await as_user(owner).post("/api/v1/links", json=body)).status_code == 201


async def test_everything_is_read_in_pages_for_all_owners_or_one(app: Starlette, as_user: AsUser) -> None:
    await saved(as_user)
    async with service(app) as client:
        found, cursor = [], None
        while True:
            query = {"limit": "3", **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/internal/v1/links", params=query)).json()
            found += [(item["owner_id"], item["id"]) for item in page["items"]]
            if (cursor := page["next"]) is None:
                break
        assert len(found) == 8
        assert found == sorted(set(found))
        of_one = (await client.get("/internal/v1/links", params={"owner": "2"})).json()["items"]
        assert {item["owner_id"] for item in of_one} == {2}
        assert {item["private"] for item in of_one} == {True, False}
        first = {"owner": "2", "id": str(of_one[0]["id"])}
        assert (await client.get("/internal/v1/links", params=first)).json()["items"] == [of_one[0]]
        anothers = {**first, "owner": "1"}
        assert (await client.get("/internal/v1/links", params=anothers)).json()["items"] == []
        assert (await client.get("/internal/v1/links", params={"id": "1"})).status_code == 400


async def test_private_links_are_in_no_public_list(app: Starlette, as_user: AsUser) -> None:
    await saved(as_user)
    async with service(app) as client:
        first = (await client.get("/internal/v1/public-links", params={"limit": "4"})).json()
        rest = (await client.get("/internal/v1/public-links", params={"cursor": first["next"]})).json()
        items = first["items"] + rest["items"]
        assert len({item["id"] for item in items}) == len(items) == 6
        assert not any(item["private"] for item in items)
        query = {"owner": "1", "tag": "t0"}
        tagged = (await client.get("/internal/v1/public-links", params=query)).json()["items"]
        assert [(item["owner_id"], item["tags"]) for item in tagged] == [(1, ["t0"]), (1, ["t0"])]


async def test_an_owners_notes_are_neither_shown_nor_found(app: Starlette, as_user: AsUser) -> None:
    anna = as_user(1)
    texts = (("a", "open words", "hidden words"), ("b", "open hidden words", "more"), ("c", "hidden", ""))
    for name, note, notes in texts:
        body = {"url": f"https://example.org/{name}", "title": name, "note": note, "notes": notes}
        assert (await anna.post("/api/v1/links", json=body)).status_code == 201
    cases = (
        ("hidden", "bc"),
        ("hidd*", "bc"),
        ("note:hidden", "bc"),
        ('"hidden words"', "b"),
        ('note:"open words hid"*', ""),
        ("part:hidden", "bc"),
        ("part:more", ""),
        ("note:more or open", "ab"),
        ("-more", "abc"),
        ("-hidden", "a"),
        ("-part:hidden", "a"),
        ("not (not note:more)", ""),
        ("open", "ab"),
    )
    async with service(app) as client:
        for owner in ({}, {"owner": "1"}):
            for query, expected in cases:
                asked = {"q": query, "order": "title", **owner}
                found = (await client.get("/internal/v1/public-listing", params=asked)).json()
                seen = [item["link"] for item in found["items"]]
                assert "".join(link["title"] for link in seen) == expected, asked
                assert {link["notes"] for link in seen} <= {""}
            for with_notes, count in (("true", 0), ("false", 3)):
                asked = {"with_notes": with_notes, **owner}
                found = (await client.get("/internal/v1/public-listing", params=asked)).json()
                assert found["count"] == count
        feed = (await client.get("/internal/v1/public-links", params={"owner": "1"})).json()["items"]
        assert [link["notes"] for link in feed] == ["", "", ""]
    listed = (await as_user(2).get("/api/v1/links", params={"owner": 1})).json()["items"]
    assert [link["notes"] for link in listed] == ["", "", ""]
    own = await anna.get("/api/v1/links/listing", params={"q": "part:more note:more", "order": "title"})
    assert [item["link"]["notes"] for item in own.json()["items"]] == ["more"]


async def test_without_the_service_token_nothing_is_answered(app: Starlette, as_user: AsUser) -> None:
    for path in ("/internal/v1/links", "/internal/v1/public-links"):
        for client in (service(app, "wrong"), service(app, ""), as_user(1)):
            assert (await client.get(path)).status_code == 401
            await client.aclose()


async def test_internal_endpoints_are_in_no_public_description(as_user: AsUser) -> None:
    described = (await as_user(1).get("/openapi.json")).json()
    assert not [path for path in described["paths"] if path.startswith("/internal")]

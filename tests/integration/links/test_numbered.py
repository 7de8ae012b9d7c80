"""Numbered lists: filters, orders, counts; tags as they were first written; a second text and the archive."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.links.conftest import AsUser

pytestmark = pytest.mark.anyio

URL = "/api/v1/links"


async def save(client: Any, name: str, **fields: Any) -> dict[str, Any]:
    answer = await client.post(URL, json={"url": f"https://example.org/{name}", **fields})
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


async def listing(client: Any, **query: Any) -> tuple[int, list[str]]:
    """The count, and the last part of each address."""
    answer = await client.get(f"{URL}/listing", params=query)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found["count"], [item["link"]["url"].rpartition("/")[2] for item in found["items"]]


async def test_pages_by_number_have_the_count_of_all(as_user: AsUser) -> None:
    anna = as_user(1)
    for name in "abcde":
        await save(anna, name, created_at=f"2020-01-0{ord(name) - 96}T00:00:00Z")
    await save(as_user(2), "other")
    assert await listing(anna, limit=2, offset=1) == (5, ["d", "c"])
    assert await listing(anna, limit=2, offset=9) == (5, [])
    assert await listing(anna, limit=0) == (5, [])
    assert await listing(anna, order="oldest", limit=1) == (5, ["a"])
    assert await listing(anna, limit=1, counted=False) == (0, ["e"])


async def test_filters_by_tags_and_states(as_user: AsUser) -> None:
    anna = as_user(1)
    await save(anna, "a", tags=["x", "y"], notes="second")
    await save(anna, "b", tags=["x", "z"], archived=True)
    await save(anna, "c", tags=["w"], private=True, to_read=True)
    for query, expected in (
        ({"tag": ["x"]}, "ab"),
        ({"tag": ["x", "Y"]}, "a"),
        ({"any_tag": ["y", "w"]}, "ac"),
        ({"without_tag": ["x"]}, "c"),
        ({"any_tag": ["x", "w"], "without_tag": ["z"]}, "ac"),
        ({"archived": False}, "ac"),
        ({"archived": True}, "b"),
        ({"with_notes": True}, "a"),
        ({"private": True, "to_read": True}, "c"),
        ({"q": "part:XAMPLE.ORG/A"}, "a"),
        ({"q": "part:SECO"}, "a"),
        ({"q": "is:archived"}, "b"),
    ):
        count, found = await listing(anna, order="title", **query)
        assert (count, "".join(found)) == (len(expected), expected), query


async def test_one_address_can_come_first_whatever_is_looked_for(as_user: AsUser) -> None:
    anna = as_user(1)
    await save(anna, "a/b")
    await save(anna, "a")
    await save(anna, "other")
    assert await listing(anna, q='part:"example.org/a"', first="HTTPS://example.org/a") == (2, ["a", "b"])
    assert await listing(anna, q="part:nothing", first="https://example.org/other") == (1, ["other"])


async def test_the_order_by_seconds_goes_on_behind_any_link(as_user: AsUser) -> None:
    anna = as_user(1)
    for name, time in (("b", "05.9"), ("a", "05.1"), ("c", "05.5"), ("new", "06.0"), ("old", "04.999")):
        await save(anna, name, created_at=f"2020-01-01T00:00:{time}Z")
    whole = (await listing(anna, order="posted"))[1]
    assert whole == ["new", "a", "b", "c", "old"]
    found: list[str] = []
    query: dict[str, Any] = {"order": "posted", "limit": 2}
    while True:
        items = (await anna.get(f"{URL}/listing", params=query)).json()["items"]
        if not items:
            break
        found += [item["link"]["url"].rpartition("/")[2] for item in items]
        last = items[-1]["link"]
        query |= {"after_time": last["created_at"], "after_url": last["url"]}
    assert found == whole


async def test_long_texts_make_a_page_short_and_nothing_is_lost(as_user: AsUser) -> None:
    anna = as_user(1)
    for number in range(40):
        await save(anna, f"{number:02}", note="\x01" * 65_536, notes="m" * 65_536)
    found: list[str] = []
    while len(found) < 40:
        count, part = await listing(anna, limit=5_000, order="title", offset=len(found))
        assert count == 40
        assert 0 < len(part) < 40
        found += part
    assert found == [f"{number:02}" for number in range(40)]


async def test_days_are_counted_in_utc(as_user: AsUser) -> None:
    anna = as_user(1)
    for name, time, tags in (
        ("a", "2020-01-01T23:59:59Z", ["x"]),
        ("b", "2020-01-02T00:30:00+02:00", ["x"]),
        ("c", "2020-01-02T00:00:00Z", []),
    ):
        await save(anna, name, created_at=time, tags=tags)
    all_days = (await anna.get(f"{URL}/days")).json()["items"]
    assert all_days == [{"date": "2020-01-02", "links": 1}, {"date": "2020-01-01", "links": 2}]
    tagged = (await anna.get(f"{URL}/days", params={"tag": "X"})).json()["items"]
    assert tagged == [{"date": "2020-01-01", "links": 2}]


async def names(client: Any) -> list[list[str]]:
    items = (await client.get(f"{URL}/listing", params={"order": "title"})).json()["items"]
    return [item["tag_names"] for item in items]


async def entries(client: Any) -> dict[str, tuple[str, int]]:
    found = (await client.get("/api/v1/tags/entries")).json()
    assert found["count"] == len(found["items"])
    return {item["tag"]: (item["name"], item["links"]) for item in found["items"]}


async def test_tags_are_shown_as_first_written_and_compared_without_case(as_user: AsUser) -> None:
    anna = as_user(1)
    first = await save(anna, "a", tags=["Python", "two words"])
    assert first["tags"] == ["python", "two-words"]
    await save(anna, "b", tags=["PYTHON", "plain"])
    assert await names(anna) == [["Python", "two-words"], ["plain", "Python"]]
    await anna.patch(f"{URL}/{first['id']}", json={"tags": ["New"]})
    assert await entries(anna) == {"new": ("New", 1), "plain": ("plain", 1), "python": ("Python", 1)}
    await save(anna, "b", tags=[])
    await save(anna, "b", tags=["python"])
    assert (await entries(anna))["python"] == ("python", 1)
    await save(as_user(2), "b", tags=["PythoN"])
    assert await entries(as_user(2)) == {"python": ("PythoN", 1)}


async def test_a_tag_takes_another_spelling_and_keeps_its_number(as_user: AsUser) -> None:
    anna = as_user(1)
    link = await save(anna, "a", tags=["old"])
    (before,) = (await anna.get("/api/v1/tags/entries")).json()["items"]
    answer = await anna.post("/api/v1/tags/rename", json={"tag": "old", "to": "OLD"})
    assert answer.json() == {"links": 1, "tag": "old"}
    assert (await anna.get(f"{URL}/{link['id']}")).json()["version"] == 2
    await anna.post("/api/v1/tags/rename", json={"tag": "old", "to": "New"})
    after = (await anna.get(f"/api/v1/tags/{before['id']}")).json()
    assert after == before | {"tag": "new", "name": "New"}
    assert (await as_user(2).get(f"/api/v1/tags/{before['id']}")).status_code == 404
    await save(anna, "b", tags=["b"])
    await anna.post("/api/v1/tags/merge", json={"tags": ["b", "new"], "into": "Both"})
    assert await entries(anna) == {"both": ("Both", 2)}


async def test_a_tag_made_on_its_own_stays_until_it_is_deleted(as_user: AsUser) -> None:
    anna = as_user(1)
    made = await anna.post("/api/v1/tags", json={"name": "Kept, one"})
    assert (made.status_code, made.json()["name"], made.json()["links"]) == (201, "Kept-one", 0)
    again = await anna.post("/api/v1/tags", json={"name": "KEPT-ONE"})
    assert (again.status_code, again.json()) == (200, made.json())
    link = await save(anna, "a", tags=["kept-one"])
    await anna.delete(f"{URL}/{link['id']}")
    assert await entries(anna) == {"kept-one": ("Kept-one", 0)}
    assert (await anna.get("/api/v1/tags")).json()["items"] == []
    unused = await anna.get("/api/v1/tags/entries", params={"unused": "false"})
    assert unused.json() == {"count": 0, "items": []}
    assert (await anna.delete("/api/v1/tags", params={"tag": "kept-one"})).status_code == 200
    assert await entries(anna) == {}
    assert (await anna.post("/api/v1/tags", json={"name": " , "})).status_code == 422


async def test_a_second_text_and_the_archive_are_kept_apart(as_user: AsUser) -> None:
    anna = as_user(1)
    link = await save(
        anna, "a", note="first", notes="second", archived=True, updated_at="2020-01-01T00:00:00Z"
    )
    assert (link["notes"], link["archived"], link["updated_at"]) == ("second", True, "2020-01-01T00:00:00Z")
    again = await save(anna, "a", note="changed", updated_at="2020-01-01T00:00:00Z")
    assert (again["note"], again["notes"], again["archived"]) == ("changed", "second", True)
    assert again["updated_at"] > "2025"
    edited = await anna.patch(f"{URL}/{link['id']}", json={"notes": "", "archived": False})
    assert (edited.json()["notes"], edited.json()["archived"]) == ("", False)
    found = await anna.get(f"{URL}/search", params={"q": "second"})
    assert found.json()["items"] == []
    await anna.patch(f"{URL}/{link['id']}", json={"notes": "second"})
    found = await anna.get(f"{URL}/search", params={"q": "second"})
    assert len(found.json()["items"]) == 1
    bulk = {"operations": [{"op": "set", "archived": True, "ids": [link["id"]]}]}
    assert (await anna.post(f"{URL}/bulk", json=bulk)).json()["changed"] == 1
    assert len((await anna.get(URL, params={"archived": "true"})).json()["items"]) == 1


async def test_others_see_neither_the_archive_nor_private_tags(as_user: AsUser) -> None:
    await save(as_user(1), "a", tags=[".own", "open"], archived=True)
    seen = (await as_user(2).get(URL, params={"owner": 1})).json()["items"]
    assert [(link["tags"], link["archived"]) for link in seen] == [(["open"], False)]
    for query in ({"tag": ".own"}, {"tag": "open"}):
        found = (await as_user(2).get(URL, params={"owner": 1, **query})).json()["items"]
        assert len(found) == (query["tag"] == "open")
    assert (await as_user(2).get(URL, params={"owner": 1, "archived": "true"})).status_code == 400

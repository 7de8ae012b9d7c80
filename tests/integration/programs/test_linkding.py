"""linkding's interface, called as its programs call it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.programs.conftest import Person
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio

URL = "https://example.org/a"
SAVE = "bookmarks/?disable_scraping"


async def save(person: Person, name: str = "a", **fields: Any) -> dict[str, Any]:
    body = {"url": f"https://example.org/{name}", **fields}
    return dict(await person.linkding("POST", SAVE, 201, json=body))


async def urls(person: Person, path: str = "bookmarks/", **parameters: Any) -> str:
    """The last letters of what a list holds."""
    page = await person.linkding("GET", path, params=parameters)
    assert page["count"] >= len(page["results"])
    return "".join(bookmark["url"][-1] for bookmark in page["results"])


async def test_a_bookmark_has_every_field(ann: Person) -> None:
    made = await save(
        ann,
        title="T",
        description="D",
        notes="N",
        is_archived=True,
        unread=True,
        shared=True,
        tag_names=["Zoo", "two words, third", " ", "zoo"],
        date_added="2020-01-02T03:04:05.678901Z",
        date_modified="2020-02-02T00:00:00+01:00",
        favicon_url="ignored",
        colour="ignored",
    )
    assert 0 < made["id"] < 2**31
    assert made == {
        "id": made["id"],
        "url": URL,
        "title": "T",
        "description": "D",
        "notes": "N",
        "web_archive_snapshot_url": f"https://web.archive.org/web/20200102030405/{URL}",
        "favicon_url": None,
        "preview_image_url": None,
        "is_archived": True,
        "unread": True,
        "shared": True,
        "tag_names": ["Zoo", "third", "two-words"],
        "date_added": "2020-01-02T03:04:05.678901Z",
        "date_modified": "2020-02-01T23:00:00.000000Z",
        "website_title": None,
        "website_description": None,
    }
    assert await ann.linkding("GET", f"bookmarks/{made['id']}/") == made


async def test_saving_a_known_address_replaces_all_but_its_number_date_and_place(ann: Person) -> None:
    first = await save(
        ann, title="T", notes="N", tag_names=["Python"], is_archived=True, shared=True, unread=True,
        date_added="2020-01-01T00:00:00Z", date_modified="2020-01-01T00:00:00Z",
    )  # fmt: skip
    body = {
        "url": "HTTPS://EXAMPLE.org:443/a",
        "description": "D",
        "tag_names": ["python"],
        "is_archived": False,
        "date_added": "2021-01-01T00:00:00Z",
    }
    again = await ann.linkding("POST", SAVE, 201, json=body)
    assert again["date_modified"] > "2025"
    assert again == first | {
        "title": "",
        "description": "D",
        "notes": "",
        "unread": False,
        "shared": False,
        "date_modified": again["date_modified"],
    }
    assert (await save(ann))["tag_names"] == []


async def test_an_empty_title_is_fetched_unless_told_not_to(ann: Person, stack: Stack) -> None:
    stack.stand.titles[URL] = "Fetched"
    assert (await save(ann))["title"] == ""
    made = await ann.linkding("POST", "bookmarks/", 201, json={"url": URL})
    assert made["title"] == "Fetched"
    made = await ann.linkding(
        "POST", "bookmarks/", 201, json={"url": "https://example.org/none", "title": "T"}
    )
    assert made["title"] == "T"
    stack.stand.away = True
    made = await ann.linkding("POST", "bookmarks/", 201, json={"url": "https://example.org/away"})
    assert made["title"] == ""


async def test_changing_what_is_given_only(ann: Person) -> None:
    made = await save(ann, title="T", description="D", notes="N", tag_names=["a"], shared=True)
    path = f"bookmarks/{made['id']}/"
    changed = await ann.linkding("PATCH", path, json={"title": "New", "is_archived": True})
    assert changed == made | {"title": "New", "is_archived": True, "date_modified": changed["date_modified"]}
    assert changed["date_modified"] > made["date_modified"]
    assert (await ann.linkding("PATCH", path, json={}))["title"] == "New"
    put = await ann.linkding(
        "PUT", path, json={"url": "https://example.org/b", "date_added": "2020-01-01T00:00:00Z"}
    )
    assert (put["url"], put["title"], put["tag_names"]) == ("https://example.org/b", "New", ["a"])
    assert put["date_added"] == "2020-01-01T00:00:00.000000Z"
    whole = await ann.linkding("PUT", path, json=put)
    assert whole == put | {"date_modified": whole["date_modified"]}
    assert await ann.linkding("PUT", path, 400, json={"title": "T"}) == {"url": ["This field is required."]}
    await save(ann, "other")
    taken = await ann.linkding("PATCH", path, 400, json={"url": "https://EXAMPLE.org/other"})
    assert taken == {"url": ["A bookmark with this URL already exists."]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "no address"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": 1}, "url"),
        ({"url": "https://example.org/" + "x" * 2_040}, "url"),
        ({"url": URL, "title": "t" * 513}, "title"),
        ({"url": URL, "title": None}, "title"),
        ({"url": URL, "notes": ["n"]}, "notes"),
        ({"url": URL, "description": "d" * 65_537}, "description"),
        ({"url": URL, "unread": "true"}, "unread"),
        ({"url": URL, "unread": 1}, "unread"),
        ({"url": URL, "shared": None}, "shared"),
        ({"url": URL, "tag_names": "a b"}, "tag_names"),
        ({"url": URL, "tag_names": [1]}, "tag_names"),
        ({"url": URL, "tag_names": ["t" * 65]}, "tag_names"),
        ({"url": URL, "tag_names": [f"t{number}" for number in range(101)]}, "tag_names"),
        ({"url": URL, "date_added": "yesterday"}, "date_added"),
        (["no object"], "non_field_errors"),
    ],
)
async def test_a_wrong_field_is_named(ann: Person, body: Any, field: str) -> None:
    answer = await ann.linkding("POST", "bookmarks/", 400, json=body)
    assert list(answer) == [field]
    assert isinstance(answer[field][0], str)


async def test_bodies_of_other_kinds(ann: Person) -> None:
    headers = {"content-type": "application/json"}
    for content, kind, status in (
        (b"{not json", "application/json", 400),
        (b"\xff\xfe", "application/json; charset=utf-8", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"<url/>", "text/xml", 415),
    ):
        answer = await ann.web.post(
            "/api/bookmarks/",
            content=content,
            headers=headers | {"content-type": kind, "authorization": f"Token {ann.token}"},
        )
        assert answer.status_code == status, answer.text
        assert "detail" in answer.json()
    form = {"url": URL, "tag_names": ["a", "b"], "unread": "true", "title": "T"}
    made = await ann.linkding("POST", SAVE, 201, data=form)
    assert (made["tag_names"], made["unread"]) == (["a", "b"], True)


async def test_archiving_and_deleting_answer_nothing(ann: Person) -> None:
    made = await save(ann)
    for action, archived in (
        ("archive", True),
        ("archive", True),
        ("unarchive", False),
        ("unarchive", False),
    ):
        await ann.linkding("POST", f"bookmarks/{made['id']}/{action}/", 204)
        assert (await ann.linkding("GET", f"bookmarks/{made['id']}/"))["is_archived"] is archived
    await ann.linkding("DELETE", f"bookmarks/{made['id']}/", 204)
    for method, path in (("DELETE", ""), ("GET", ""), ("POST", "archive/"), ("GET", "assets/")):
        answer = await ann.linkding(method, f"bookmarks/{made['id']}/{path}", 404)
        assert answer == {"detail": "Not found."}
    assert await ann.linkding("GET", "bookmarks/none/", 404) == {"detail": "Not found."}
    assert await ann.linkding("GET", f"bookmarks/{2**70}/", 404) == {"detail": "Not found."}


async def test_checking_saves_nothing_and_says_the_address_as_it_was_given(ann: Person, stack: Stack) -> None:
    given = "HTTPS://Example.ORG/a"
    stack.stand.titles[given] = "Fetched"
    nothing = await ann.linkding("GET", "bookmarks/check/", params={"url": given, "ignore_cache": "true"})
    assert nothing == {
        "bookmark": None,
        "metadata": {"url": given, "title": "Fetched", "description": None, "preview_image": None},
        "auto_tags": [],
    }
    made = await save(ann, title="T")
    stack.stand.away = True
    found = await ann.linkding("GET", "bookmarks/check/", params={"url": given})
    assert (found["bookmark"], found["metadata"]["url"], found["metadata"]["title"]) == (made, given, None)
    odd = await ann.linkding("GET", "bookmarks/check/", params={"url": "no address"})
    assert odd["bookmark"] is None
    assert (await ann.linkding("GET", "bookmarks/"))["count"] == 1
    assert list(await ann.linkding("GET", "bookmarks/check/", 400)) == ["url"]


async def test_who_does_not_say_who_it_is_is_told_so(ann: Person) -> None:
    missing = await ann.web.get("/api/bookmarks/")
    wrong = await ann.web.get("/api/bookmarks/", headers={"authorization": "Token wrong"})
    bearer = await ann.web.get("/api/bookmarks/", headers={"authorization": f"Bearer {ann.token}"})
    access = await ann.web.get("/api/bookmarks/", headers={"authorization": f"Bearer {ann.access_token}"})
    assert (missing.status_code, missing.json()) == (
        401, {"detail": "Authentication credentials were not provided."}
    )  # fmt: skip
    assert (wrong.status_code, wrong.json()) == (401, {"detail": "Invalid token."})
    assert missing.headers["www-authenticate"] == wrong.headers["www-authenticate"] == "Token"
    assert (bearer.status_code, access.status_code) == (200, 200)
    ann.token = await ann.new_token("read")
    assert (await ann.linkding("GET", "bookmarks/"))["count"] == 0
    for method, path in (
        ("POST", "bookmarks/"),
        ("POST", "tags/"),
        ("DELETE", "bookmarks/1/"),
        ("POST", "bundles/"),
    ):
        assert list(await ann.linkding(method, path, 403, json={"url": URL})) == ["detail"]


async def test_addresses_without_a_slash_or_with_two(ann: Person) -> None:
    headers = {"authorization": f"Token {ann.token}"}
    redirect = await ann.web.get("/api/tags?limit=5000&x=%20", headers=headers)
    assert (redirect.status_code, redirect.headers["location"]) == (301, "/api/tags/?limit=5000&x=%20")
    doubled = await ann.web.get("http://web.example//api/bookmarks/", headers=headers)
    assert doubled.status_code == 200
    for path in ("/api/bookmarks", "/api/user/profile", "/api/bookmarks/check", "/api"):
        assert (await ann.web.get(path, headers=headers)).status_code == 301
    wrong = await ann.web.put("/api/tags/", headers=headers, json={})
    assert (wrong.status_code, list(wrong.json())) == (405, ["detail"])
    assert "GET" in wrong.headers["allow"]


async def test_profile_health_root_and_uploads(ann: Person, stack: Stack) -> None:
    profile = await ann.linkding("GET", "user/profile/")
    assert profile["enable_sharing"] is True
    assert profile["search_preferences"] == {}
    health = await ann.web.get("/health")
    assert (health.status_code, health.json()) == (200, {"version": "1.40.0", "status": "healthy"})
    assert await ann.linkding("GET", "") == {}
    assert (await ann.web.get("/api/")).status_code == 401
    made = await save(ann)
    assets = f"bookmarks/{made['id']}/assets/"
    assert await ann.linkding("GET", assets) == {"count": 0, "next": None, "previous": None, "results": []}
    for path in ("bookmarks/singlefile/", f"{assets}upload/"):
        refused = await ann.linkding("POST", path, 403, files={"file": b"x"})
        assert refused == {"error": "Asset upload is disabled."}
    await ann.linkding("GET", f"{assets}1/", 404)


async def test_nobody_reads_or_changes_the_bookmarks_of_another(ann: Person, bob: Person) -> None:
    made = await save(ann, title="T")
    path = f"bookmarks/{made['id']}/"
    await bob.linkding("GET", path, 404)
    await bob.linkding("PATCH", path, 404, json={"title": "Bob's"})
    await bob.linkding("PUT", path, 404, json={"url": URL})
    await bob.linkding("DELETE", path, 404)
    assert await urls(bob) == ""
    assert (await bob.linkding("GET", "bookmarks/check/", params={"url": URL}))["bookmark"] is None
    assert await ann.linkding("GET", path) == made

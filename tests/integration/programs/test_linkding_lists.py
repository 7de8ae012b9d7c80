"""Lists, tags and bundles of linkding's interface, called as its programs call it."""

from __future__ import annotations

from typing import Any

import pytest

from services.web.programs.limits import Limit
from tests.integration.programs.conftest import Person

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


async def test_lists_are_paged_filtered_and_sorted(ann: Person) -> None:
    saved: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("a", "Zeta", {"shared": True, "tag_names": ["One"]}),
        ("b", "alpha", {"unread": True, "notes": "needle"}),
        ("c", "", {"is_archived": True, "description": "Nadel"}),
        ("d", "Beta", {"tag_names": ["one", "two"]}),
    )
    for number, (name, title, fields) in enumerate(saved):
        day = f"2020-01-0{number + 1}T00:00:00Z"
        other = f"2021-01-0{4 - number}T00:00:00Z"
        await save(ann, name, title=title, date_added=day, date_modified=other, **fields)
    page = await ann.linkding("GET", "bookmarks/", params={"limit": 2, "q": "example", "x": "y z"})
    assert (page["count"], page["previous"]) == (3, None)
    assert page["next"] == "http://web.example/api/bookmarks/?q=example&x=y+z&limit=2&offset=2"
    second = await ann.linkding("GET", page["next"].partition("/api/")[2])
    assert [bookmark["url"][-1] for bookmark in second["results"]] == ["a"]
    assert second["next"] is None
    assert second["previous"] == "http://web.example/api/bookmarks/?q=example&x=y+z&limit=2"
    beyond = await ann.linkding("GET", "bookmarks/", params={"offset": 100})
    assert (beyond["count"], beyond["results"], beyond["next"]) == (3, [], None)
    cases: tuple[tuple[dict[str, str], str], ...] = (
        ({}, "dba"),
        ({"limit": "0", "offset": "-3"}, "dba"),
        ({"limit": "x", "offset": "y"}, "dba"),
        ({"sort": "added_asc"}, "abd"),
        ({"sort": "modified_desc"}, "abd"),
        ({"sort": "modified_asc"}, "dba"),
        ({"sort": "title_asc"}, "bda"),
        ({"sort": "title_desc"}, "adb"),
        ({"sort": "nonsense"}, "dba"),
        ({"unread": "yes"}, "b"),
        ({"unread": "no"}, "da"),
        ({"unread": "off"}, "dba"),
        ({"shared": "yes"}, "a"),
        ({"shared": "no"}, "db"),
        ({"added_since": "2020-01-02T00:00:00Z"}, "d"),
        ({"added_since": "2020-01-01T23:59:59.999999Z"}, "db"),
        ({"modified_since": "2021-01-03T00:00:00+00:00"}, "a"),
        ({"modified_since": "never"}, "dba"),
        ({"bundle": "77"}, "dba"),
        ({"q": "NEEDLE"}, "b"),
        ({"q": "eedl"}, "b"),
        ({"q": "#ONE"}, "da"),
        ({"q": "#one #two"}, "d"),
        ({"q": "#one and not #two"}, "a"),
        ({"q": "(#two or needle) example"}, "db"),
        ({"q": "!unread"}, "b"),
        ({"q": "!untagged"}, "b"),
        ({"q": "!whatever"}, "dba"),
        ({"q": "'example.org/d'"}, "d"),
        ({"q": '"a \\" b"'}, ""),
        ({"q": "tag:two"}, "d"),
        ({"q": "(("}, ""),
        ({"q": "before:nonsense"}, ""),
        ({"q": "x" * 2_000}, ""),
        ({"q": "   "}, "dba"),
    )
    for parameters, expected in cases:
        assert await urls(ann, **parameters) == expected, parameters
    assert await urls(ann, "bookmarks/archived/") == "c"
    assert await urls(ann, "bookmarks/archived/", q="nadel") == "c"


async def test_a_whole_address_comes_first(ann: Person) -> None:
    await save(ann, "a")
    for name in ("a/b", "a/c"):
        await save(ann, name, title="https://example.org/a")
    assert await urls(ann, q="https://example.org/a", limit=1) == "a"
    page = await ann.linkding("GET", "bookmarks/", params={"q": "HTTPS://EXAMPLE.org:443/a", "limit": 1})
    assert page["results"][0]["url"] == "https://example.org/a"
    long = "https://example.org/" + "l" * 1_500
    await ann.linkding("POST", SAVE, 201, json={"url": long})
    page = await ann.linkding("GET", "bookmarks/", params={"q": long})
    assert [bookmark["url"] for bookmark in page["results"]] == [long]


async def test_tags_have_numbers_and_are_shown_as_first_written(ann: Person, bob: Person) -> None:
    await save(ann, tag_names=["First", "second"])
    page = await ann.linkding("GET", "tags/", params={"limit": 5_000})
    assert [tag["name"] for tag in page["results"]] == ["First", "second"]
    first = page["results"][0]
    assert set(first) == {"id", "name", "date_added"}
    assert await ann.linkding("GET", f"tags/{first['id']}/") == first
    assert await ann.linkding("POST", "tags/", 201, json={"name": "FIRST"}) == first
    made = await ann.linkding("POST", "tags/", 201, json={"name": "made up, here"})
    assert made["name"] == "made-up-here"
    for body in ({}, {"name": " "}, {"name": 1}, {"name": "t" * 65}):
        assert list(await ann.linkding("POST", "tags/", 400, json=body)) == ["name"]
    await bob.linkding("GET", f"tags/{first['id']}/", 404)
    await bob.linkding("DELETE", f"tags/{first['id']}/", 404)
    await ann.linkding("DELETE", f"tags/{first['id']}/", 204)
    assert (await ann.linkding("GET", "bookmarks/"))["results"][0]["tag_names"] == ["second"]
    assert (await ann.linkding("GET", "tags/"))["count"] == 2


async def test_bundles_are_saved_searches(ann: Person, bob: Person) -> None:
    await save(ann, "a", tag_names=["x", "y"], title="needle")
    await save(ann, "b", tag_names=["x", "z"], unread=True)
    await save(ann, "c", tag_names=["w"], shared=True)
    made = await ann.linkding(
        "POST", "bundles/", 201, json={"name": "B", "any_tags": "x w", "excluded_tags": "z"}
    )
    assert made == {
        "id": made["id"], "name": "B", "search": "", "any_tags": "x w", "all_tags": "", "excluded_tags": "z",
        "filter_unread": "off", "filter_shared": "off", "order": 0,
        "date_created": made["date_created"], "date_modified": made["date_modified"],
    }  # fmt: skip
    assert await urls(ann, bundle=made["id"]) == "ca"
    path = f"bundles/{made['id']}/"
    for change, expected in (
        ({"search": "needle"}, "a"),
        ({"search": "", "filter_shared": "yes"}, "c"),
        ({"filter_shared": "off", "filter_unread": "yes", "excluded_tags": ""}, "b"),
        ({"filter_unread": "off", "any_tags": "", "all_tags": "x y"}, "a"),
        ({"search": "(("}, ""),
    ):
        changed = await ann.linkding("PATCH", path, json=change)
        assert await urls(ann, bundle=made["id"]) == expected, changed
    second = await ann.linkding("POST", "bundles/", 201, json={"name": "Second"})
    assert second["order"] == 1
    await ann.linkding("PUT", f"bundles/{second['id']}/", json={"name": "Now first", "order": -1})
    listed = await ann.linkding("GET", "bundles/")
    assert [bundle["name"] for bundle in listed["results"]] == ["Now first", "B"]
    for method in ("GET", "DELETE"):
        await bob.linkding(method, path, 404)
    await bob.linkding("PATCH", path, 404, json={"name": "mine"})
    for body in ({}, {"name": ""}, {"name": "n", "filter_unread": "perhaps"}, {"name": "n", "order": "x"}):
        await ann.linkding("POST", "bundles/", 400, json=body)
    await ann.linkding("DELETE", path, 204)
    await ann.linkding("GET", path, 404)


async def test_the_shared_list_needs_no_token_and_shows_public_ones_only(ann: Person, bob: Person) -> None:
    await save(
        ann, "a", shared=True, tag_names=["open", ".own"], unread=True, is_archived=True, title="Ann's",
        description="Said", notes="Unsaid",
    )  # fmt: skip
    await save(ann, "b", tag_names=["open"])
    await save(bob, "c", shared=True)
    for parameters, expected in (
        ({}, "ca"),
        ({"user": ann.name}, "a"),
        ({"user": ann.name.upper()}, "a"),
        ({"user": "nobody-at-all"}, ""),
        ({"shared": "no"}, ""),
        ({"unread": "yes"}, ""),
        ({"unread": "no"}, "ca"),
        ({"q": "!unread"}, ""),
        ({"q": "is:private"}, ""),
        ({"q": "is:archived"}, ""),
        ({"q": "#open"}, "a"),
        ({"q": "#.own"}, ""),
        ({"q": "not #.own", "sort": "added_asc"}, "ac"),
        ({"q": "tag:.*"}, ""),
        ({"q": "own"}, ""),
        ({"q": "said"}, "a"),
        ({"q": "unsaid"}, ""),
        ({"q": "not unsaid"}, "ca"),
        ({"q": "note:unsaid"}, ""),
        ({"q": "ann's or https://example.org/c", "sort": "added_asc"}, "ac"),
        ({"limit": 1, "offset": 1}, "a"),
    ):
        answer = await ann.web.get("/api/bookmarks/shared/", params=parameters)
        assert answer.status_code == 200, answer.text
        found = answer.json()["results"]
        assert "".join(bookmark["url"][-1] for bookmark in found) == expected, parameters
        assert all(bookmark["shared"] and not bookmark["unread"] for bookmark in found)
        assert all(".own" not in bookmark["tag_names"] and bookmark["notes"] == "" for bookmark in found)
    assert await urls(bob, "bookmarks/shared/") == "ca"
    archived = await ann.linkding("GET", "bookmarks/archived/", params={"q": "unsaid"})
    assert [bookmark["notes"] for bookmark in archived["results"]] == ["Unsaid"]
    wrong = await ann.web.get("/api/bookmarks/shared/", headers={"authorization": "Token wrong"})
    assert wrong.status_code == 401


@pytest.mark.usefixtures("no_time_passes")
async def test_too_many_strangers_from_one_address_are_told_to_wait(ann: Person) -> None:
    answers = [
        await ann.web.get("/api/bookmarks/shared/", headers={"x-forwarded-for": "x, 192.0.2.7"})
        for _ in range(62)
    ]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    other = await ann.web.get("/api/bookmarks/shared/", headers={"x-forwarded-for": "x, 192.0.2.8"})
    assert other.status_code == 200
    assert await urls(ann, "bookmarks/shared/") == ""


@pytest.mark.usefixtures("no_time_passes")
async def test_the_addresses_of_one_ipv6_network_count_as_one(ann: Person) -> None:
    async def ask(address: str) -> int:
        headers = {"x-forwarded-for": address}
        return (await ann.web.get("/api/bookmarks/shared/", headers=headers)).status_code

    statuses = [await ask(f"2001:db8:0:7::{number:x}") for number in range(1, 63)]
    assert statuses[0] == 200 and statuses[-1] == 429
    assert await ask("2001:db8:0:8::1") == 200


async def test_every_call_with_a_token_is_counted(
    ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.web.linkding.call.USUAL", Limit(burst=4, every_s=3_600))
    for path in ("user/profile/", "bookmarks/", "tags/"):
        await ann.linkding("GET", path)
    await save(ann, "a")
    for method, path in (
        ("GET", "bookmarks/shared/"),
        ("GET", "bundles/"),
        ("POST", "bookmarks/"),
        ("DELETE", "bookmarks/1/"),
    ):
        refused = await ann.web.request(
            method, f"/api/{path}", headers={"authorization": f"Token {ann.token}"}
        )
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1, path
    await bob.linkding("GET", "bookmarks/")


async def test_the_next_page_is_at_the_host_that_the_program_asked(ann: Person) -> None:
    for name in "ab":
        await save(ann, name)
    for host, proto, expected in (
        ("links.example:8443", "https", "https://links.example:8443/api/bookmarks/?limit=1&offset=1"),
        ("evil.example/x?", "ftp", "http://localhost/api/bookmarks/?limit=1&offset=1"),
    ):
        page = await ann.web.get(
            "/api/bookmarks/",
            params={"limit": 1},
            headers={"authorization": f"Token {ann.token}", "host": host, "x-forwarded-proto": proto},
        )
        assert page.json()["next"] == expected


async def test_long_lists_are_whole(ann: Person) -> None:
    lines = "".join(
        f'<DT><A HREF="https://example.org/{number}" TAGS="t{number}">T</A>\n' for number in range(1_203)
    )
    await ann.native("PUT", "imports/whole", content="<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p>\n" + lines)
    page = await ann.linkding("GET", "bookmarks/", params={"limit": 1_100, "offset": 3})
    assert (page["count"], len(page["results"])) == (1_203, 1_100)
    assert len({bookmark["id"] for bookmark in page["results"]}) == 1_100
    tags = await ann.linkding("GET", "tags/", params={"limit": 5_000})
    assert (tags["count"], len(tags["results"]), tags["next"]) == (1_203, 1_203, None)

"""Several programs on one collection: what one wrote, another reads and writes back, and nothing is lost."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.web.linkding.routes import TABLE
from services.web.pinboard.methods import METHODS
from tests.integration.programs.conftest import Person

pytestmark = pytest.mark.anyio

URL = "https://example.org/a"
FULL = {
    "url": URL,
    "title": "Title",
    "description": "First text\nof two lines",
    "notes": "Second text",
    "tag_names": ["Mixed", "lower", ".own"],
    "is_archived": True,
    "unread": True,
    "shared": True,
    "date_added": "2020-01-02T03:04:05.678901Z",
}
CHANGING = ("version", "updated_at")


async def stored(person: Person) -> dict[str, Any]:
    """All that is kept of the one link, with the spelling of its tags."""
    (item,) = (await person.native("GET", "links/listing"))["items"]
    link = {name: value for name, value in item["link"].items() if name not in CHANGING}
    return link | {"tag_names": item["tag_names"]}


async def read_and_add(person: Person, **changed: str) -> None:
    """An editing program of Pinboard's kind: reads the post, changes something, adds it again."""
    (post,) = (await person.pinboard("posts/get", url=URL))["posts"]
    post |= changed
    answer = await person.pinboard(
        "posts/add",
        url=post["href"],
        dt=post["time"],
        **{name: post[name] for name in ("description", "extended", "tags", "shared", "toread")},
    )
    assert answer == {"result_code": "done"}


async def test_pinboard_changes_what_linkding_wrote(ann: Person) -> None:
    await ann.linkding("POST", "bookmarks/?disable_scraping", 201, json=FULL)
    before = await stored(ann)
    await read_and_add(ann)
    assert await stored(ann) == before
    await read_and_add(ann, description="New title", toread="no")
    assert await stored(ann) == before | {"title": "New title", "to_read": False}
    await ann.pinboard("tags/rename", old="mixed", new="MIXED")
    (bookmark,) = (await ann.linkding("GET", "bookmarks/archived/"))["results"]
    assert {name: bookmark[name] for name in FULL} == FULL | {
        "title": "New title",
        "unread": False,
        "tag_names": [".own", "MIXED", "lower"],
    }


async def test_linkding_changes_what_pinboard_wrote(ann: Person) -> None:
    written = {
        "url": URL,
        "description": "Title",
        "extended": "Note",
        "tags": "Mixed .own lower",
        "dt": "2020-01-02T03:04:05Z",
        "shared": "no",
        "toread": "yes",
    }
    await ann.pinboard("posts/add", **written)
    before = await stored(ann)
    (post,) = await ann.pinboard("posts/all")
    found = await ann.linkding("GET", "bookmarks/check/", params={"url": URL})
    await ann.linkding("PUT", f"bookmarks/{found['bookmark']['id']}/", json=found["bookmark"])
    assert await stored(ann) == before
    await ann.linkding("POST", "bookmarks/?disable_scraping", 201, json=found["bookmark"])
    assert await stored(ann) == before
    assert await ann.pinboard("posts/all") == [post]
    await ann.linkding(
        "PATCH", f"bookmarks/{found['bookmark']['id']}/", json={"notes": "Second", "is_archived": True}
    )
    assert await ann.pinboard("posts/all") == [post]
    assert await stored(ann) == before | {"notes": "Second", "archived": True}


async def test_the_native_interface_changes_what_programs_wrote(ann: Person) -> None:
    made = await ann.linkding("POST", "bookmarks/?disable_scraping", 201, json=FULL)
    before = await stored(ann)
    await ann.native("PATCH", f"links/{made['id']}", json={"title": "New"})
    await ann.native("POST", "links", json={"url": URL})
    assert await stored(ann) == before | {"title": "New"}


async def test_long_fields_of_one_interface_come_back_whole_through_another(ann: Person) -> None:
    tags = [f"t{number:03}" + "x" * 200 for number in range(100)]
    link = {"url": f"https://example.org/{'p' * 3_000}", "title": "t" * 1_000, "note": "n", "tags": tags}
    await ann.native("POST", "links", json=link)
    before = await stored(ann)
    (bookmark,) = (await ann.linkding("GET", "bookmarks/"))["results"]
    await ann.linkding("PUT", f"bookmarks/{bookmark['id']}/", json=bookmark)
    await ann.linkding("POST", "bookmarks/?disable_scraping", 201, json=bookmark)
    assert await stored(ann) == before


@pytest.mark.parametrize("form", ["netscape", "json", "csv"])
async def test_an_export_keeps_what_programs_wrote(ann: Person, bob: Person, form: str) -> None:
    await ann.linkding("POST", "bookmarks/?disable_scraping", 201, json=FULL)
    headers = {"authorization": f"Bearer {ann.access_token}"}
    file = await ann.links.get("/api/v1/exports", params={"format": form}, headers=headers)
    await bob.native("PUT", "imports/again", content=file.content)
    (made,) = (await bob.linkding("GET", "bookmarks/archived/"))["results"]
    kept = {name: made[name] for name in FULL}
    # The spelling of tags and parts of seconds are not in these files.
    assert kept == FULL | {
        "tag_names": [".own", "lower", "mixed"],
        "date_added": "2020-01-02T03:04:05.000000Z",
    }


NASTY = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [
        "",
        "\0",
        "%00",
        "2020-01-01",
        "-1",
        "99999999999999999999",
        "yes",
        "a b",
        "https://example.org/",
        "((",
        "'",
    ]
)
PINBOARD_NAMES = st.sampled_from(
    "url description extended tags tag dt replace shared count start results fromdt todt old new".split()  # noqa: SIM905
)
LINKDING_NAMES = st.sampled_from(
    [
        "q",
        "limit",
        "offset",
        "sort",
        "modified_since",
        "added_since",
        "bundle",
        "shared",
        "unread",
        "user",
        "url",
    ]
)
BODY_NAMES = st.sampled_from(
    [
        "url",
        "title",
        "description",
        "notes",
        "tag_names",
        "is_archived",
        "date_added",
        "name",
        "search",
        "order",
    ]
)
VALUES = st.none() | st.booleans() | st.integers() | NASTY | st.lists(NASTY, max_size=3)
HOSTILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def encoded(pairs: dict[str, str]) -> bytes:
    return str(httpx.QueryParams(pairs)).encode()


CALLS = [(path, method) for path, methods in TABLE.items() for method in methods]


@HOSTILE
@given(
    method=st.sampled_from([*METHODS, "notes/x"]),
    parameters=st.dictionaries(PINBOARD_NAMES, NASTY, max_size=6),
)
async def test_hostile_calls_never_break_pinboards_interface(
    ann: Person, method: str, parameters: dict[str, str]
) -> None:
    form = encoded({**parameters, "auth_token": f"{ann.name}:{ann.token}"})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await ann.web.post(f"/v1/{method}", content=form, headers=headers)
    assert answer.status_code in (200, 400, 404, 429), answer.text


@HOSTILE
@given(
    which=st.sampled_from(CALLS),
    query=st.dictionaries(LINKDING_NAMES, NASTY, max_size=4),
    body=st.dictionaries(BODY_NAMES, VALUES, max_size=5),
)
async def test_hostile_calls_never_break_linkdings_interface(
    ann: Person, which: tuple[str, str], query: dict[str, str], body: dict[str, Any]
) -> None:
    path, method = which
    path = path.replace("{number}", "1").replace("{asset}", "1")
    url = httpx.URL(f"http://web.example{path}/", params=query)
    headers = {"authorization": f"Token {ann.token}"}
    answer = await ann.web.request(method, url, json=body, headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.status_code != 204:
        answer.json()

"""Pinboard's interface, called as its programs call it."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from typing import Any

import pytest

from tests.integration.programs.conftest import Person

pytestmark = pytest.mark.anyio

URL = "https://example.org/a?b=1&c=%20#d"


async def add(person: Person, url: str = URL, **fields: Any) -> str:
    answer = await person.pinboard("posts/add", **{"url": url, "description": "T", **fields})
    return str(answer["result_code"])


async def only_post(person: Person, url: str = URL) -> dict[str, str]:
    (post,) = (await person.pinboard("posts/get", url=url))["posts"]
    return dict(post)


async def test_a_post_has_every_field_as_a_text(ann: Person) -> None:
    assert (
        await add(
            ann,
            extended="first\nsecond",
            tags="Python  two,three\npython",
            dt="2020-01-02T03:04:05Z",
            toread="yes",
        )
        == "done"
    )
    post = await only_post(ann)
    meta = post.pop("meta")
    assert post == {
        "href": URL,
        "description": "T",
        "extended": "first\nsecond",
        "tags": "Python three two",
        "time": "2020-01-02T03:04:05Z",
        "shared": "yes",
        "toread": "yes",
        "hash": hashlib.md5(URL.encode()).hexdigest(),  # noqa: S324 - theirs
    }
    assert len(meta) == 32
    await add(ann, extended="changed", dt="2020-01-02T03:04:05Z")
    assert (await only_post(ann))["meta"] != meta


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": ""}, "missing url"),
        ({"description": ""}, "must provide title"),
        ({"url": "gopher://example.org/"}, "something went wrong"),
        ({"url": "javascript:alert(1)"}, "something went wrong"),
        ({"dt": "the day before"}, "something went wrong"),
        ({"dt": "3000-01-01T00:00:00Z"}, "something went wrong"),
        ({"tags": "t" * 256}, "something went wrong"),
        ({"tags": " ".join(f"t{number}" for number in range(101))}, "something went wrong"),
        ({"tags": " ".join(f"t{number}" for number in range(100))}, "done"),
        ({"url": "feed://example.org/rss"}, "done"),
        ({"description": "d" * 300}, "done"),
        ({"dt": "2020-01-01T00:00:00 02:00"}, "done"),
    ],
)
async def test_adding_says_in_a_code_what_came_of_it(ann: Person, fields: dict[str, str], code: str) -> None:
    assert await add(ann, **fields) == code


async def test_a_note_is_refused_beyond_its_length_and_not_before(ann: Person) -> None:
    for length, code in ((65_536, "done"), (65_537, "something went wrong")):
        form = {"url": URL, "description": "T", "extended": "n" * length, "format": "json"}
        answer = await ann.web.post("/v1/posts/add", data=form, headers=ann.basic(ann.token))
        assert answer.json() == {"result_code": code}


async def test_what_is_cut_or_understood(ann: Person) -> None:
    await add(ann, "feed://Example.org/rss", description="d" * 300, dt="2020-01-01T00:00:00 02:00")
    post = await only_post(ann, "feed:http://example.org/rss")
    assert post["href"] == "http://example.org/rss"
    assert post["description"] == "d" * 255
    assert post["time"] == "2019-12-31T22:00:00Z"
    await add(ann, "https://future.example/", dt="2090-01-01T00:00:00Z")
    assert (await only_post(ann, "https://future.example/"))["time"] < "2090"


async def test_replacing_keeps_what_is_absent_of_flags_and_time_only(ann: Person) -> None:
    await add(ann, extended="e", tags="a b", dt="2020-01-02T03:04:05Z", shared="no", toread="yes")
    assert await add(ann, replace="no") == "item already exists"
    assert (await only_post(ann))["extended"] == "e"
    assert await add(ann, "HTTPS://EXAMPLE.org:443/a?b=1&c=%20#d", description="New") == "done"
    post = await only_post(ann)
    assert {name: post[name] for name in ("description", "extended", "tags", "time", "shared", "toread")} == {
        "description": "New",
        "extended": "",
        "tags": "",
        "time": "2020-01-02T03:04:05Z",
        "shared": "no",
        "toread": "yes",
    }
    assert len(await ann.pinboard("posts/all")) == 1


async def test_sending_back_what_was_read_loses_nothing(ann: Person) -> None:
    saved = await ann.native(
        "POST",
        "links",
        json={
            "url": URL,
            "title": "t" * 600,
            "note": "n \x01 control\r\nand lines",
            "tags": ["Ann", "b-c"],
            "created_at": "2020-01-02T03:04:05.678901Z",
            "notes": "second",
            "archived": True,
            "private": True,
        },
    )
    for read in (await only_post(ann), None):
        if read is None:
            # As a program that reads XML has it.
            read = await only_post(ann)
            read["extended"] = read["extended"].replace("\x01", "")
        sent = {name: read[name] for name in ("description", "extended", "tags", "shared", "toread")}
        assert await add(ann, dt=read["time"], **sent) == "done"
    after = await ann.native("GET", f"links/{saved['id']}")
    changing = ("version", "updated_at")
    assert {k: v for k, v in after.items() if k not in changing} == {
        k: v for k, v in saved.items() if k not in changing
    }


async def test_of_several_that_must_not_replace_one_wins(ann: Person) -> None:
    answers = await asyncio.gather(*(add(ann, description=f"T{number}", replace="no") for number in range(6)))
    assert sorted(answers) == ["done"] + ["item already exists"] * 5
    winner = (await only_post(ann))["description"]
    assert answers[int(winner[1:])] == "done"


async def test_deleting_by_address(ann: Person) -> None:
    await add(ann)
    assert await ann.pinboard("posts/delete", url="HTTPS://example.org/a?b=1&c=%20#d") == {
        "result_code": "done"
    }
    assert await ann.pinboard("posts/delete", url=URL) == {"result_code": "item not found"}
    assert await ann.pinboard("posts/delete", url="no address") == {"result_code": "item not found"}


async def test_the_posts_of_a_day_of_an_address_or_of_the_last_day(ann: Person) -> None:
    empty = await ann.pinboard("posts/get")
    assert (empty["posts"], empty["user"]) == ([], ann.name)
    for number, time in enumerate(("2020-01-01T23:59:59Z", "2020-01-02T00:00:00Z", "2020-01-02T23:00:00Z")):
        await add(ann, f"https://example.org/{number}", dt=time, tags="x" if number else "x y")
    for form in ("2020-01-02", "2020-01-02T00:00:00Z", "2020-01-02T15:00:00Z"):
        found = await ann.pinboard("posts/get", dt=form)
        assert [post["href"][-1] for post in found["posts"]] == ["2", "1"]
        assert found["date"].startswith("2020-01-02T")
    assert [post["href"][-1] for post in (await ann.pinboard("posts/get"))["posts"]] == ["2", "1"]
    tagged = await ann.pinboard("posts/get", tag="X y")
    assert [post["href"][-1] for post in tagged["posts"]] == ["0"]
    one = await ann.pinboard("posts/get", url="https://example.org/0", dt="2020-01-02", meta="yes")
    assert (len(one["posts"]), one["date"]) == (1, "2020-01-01T23:59:59Z")
    none = await ann.pinboard("posts/get", url="https://example.org/none")
    assert none["posts"] == []
    refused = await ann.web.get(
        "/v1/posts/get", params={"dt": "never", "auth_token": f"{ann.name}:{ann.token}"}
    )
    assert refused.status_code == 400


async def test_recent_posts_are_counted(ann: Person) -> None:
    for number in range(17):
        await add(
            ann,
            f"https://example.org/{number:02}",
            dt=f"2020-01-01T00:00:{number:02}Z",
            tags="a" * (number % 2),
        )
    assert len((await ann.pinboard("posts/recent"))["posts"]) == 15
    for count, expected in (("1", 1), ("17", 17), ("1000", 17), ("0", 15), ("-1", 15), ("many", 15)):
        assert len((await ann.pinboard("posts/recent", count=count))["posts"]) == expected, count
    recent = await ann.pinboard("posts/recent", tags="a", count=2)
    assert [post["href"][-2:] for post in recent["posts"]] == ["15", "13"]
    assert recent["date"] == "2020-01-01T00:00:15Z"


async def test_days_are_counted_the_newest_first(ann: Person) -> None:
    assert await ann.pinboard("posts/dates") == {"user": ann.name, "tag": "", "dates": {}}
    for number, day in enumerate(("2020-01-01", "2020-01-03", "2020-01-03")):
        await add(ann, f"https://example.org/{number}", dt=day, tags="x" if number < 2 else "")
    dates = (await ann.pinboard("posts/dates"))["dates"]
    assert list(dates.items()) == [("2020-01-03", 2), ("2020-01-01", 1)]
    assert await ann.pinboard("posts/dates", tag="X") == {
        "user": ann.name, "tag": "X", "dates": {"2020-01-03": 1, "2020-01-01": 1}
    }  # fmt: skip


async def test_all_posts_are_paged_without_repeating_or_skipping(ann: Person) -> None:
    expected = []
    for number in range(7):
        time = f"2020-01-01T00:00:0{number // 3}.{number}Z"
        await ann.native(
            "POST", "links", json={"url": f"https://example.org/{9 - number}", "created_at": time}
        )
        expected.append((-(number // 3), f"https://example.org/{9 - number}"))
    hrefs = [href for _, href in sorted(expected)]
    assert [post["href"] for post in await ann.pinboard("posts/all")] == hrefs
    paged: list[str] = []
    for start in range(0, 9, 2):
        paged += [post["href"] for post in await ann.pinboard("posts/all", start=start, results=2)]
    assert paged == hrefs
    assert await ann.pinboard("posts/all", start=100) == []


async def test_all_posts_between_two_moments_without_them(ann: Person) -> None:
    for second in (4, 5, 6, 7):
        await ann.native(
            "POST",
            "links",
            json={"url": f"https://example.org/{second}", "created_at": f"2020-01-01T00:00:0{second}.5Z"},
        )
    found = await ann.pinboard("posts/all", fromdt="2020-01-01 00:00:04", todt="2020-01-01T00:00:07Z")
    assert [post["href"][-1] for post in found] == ["6", "5"]
    found = await ann.pinboard("posts/all", fromdt="2020-01-01T02:00:05 02:00")
    assert [post["href"][-1] for post in found] == ["7", "6"]


async def test_a_long_list_is_streamed_whole_in_both_forms(ann: Person) -> None:
    lines = "".join(
        f'<DT><A HREF="https://example.org/{number}" ADD_DATE="{1_600_000_000 + number // 7}">T</A>\n'
        for number in range(1_203)
    )
    head = "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p>\n"
    await ann.native("PUT", "imports/whole", content=head + lines)
    posts = await ann.pinboard("posts/all")
    assert len(posts) == len({post["href"] for post in posts}) == 1_203
    order = [(post["time"], post["href"]) for post in posts]
    assert order == sorted(sorted(order, key=lambda pair: pair[1]), key=lambda pair: pair[0], reverse=True)
    assert (await ann.pinboard_xml("posts/all")).count("<post ") == 1_203
    part = await ann.pinboard("posts/all", start=3, results=1_100)
    assert part == posts[3:1_103]


async def test_tags_are_counted_renamed_merged_and_deleted(ann: Person) -> None:
    assert await ann.pinboard("tags/get") == {}
    for number, tags in enumerate(("Big small", "big other", "big")):
        await add(ann, f"https://example.org/{number}", tags=tags)
    assert await ann.pinboard("tags/get") == {"Big": "3", "other": "1", "small": "1"}
    done = {"result": "done"}
    assert await ann.pinboard("tags/rename", old="big", new="BIG") == done
    assert await ann.pinboard("tags/rename", old="small", new="other") == done
    assert await ann.pinboard("tags/rename", old="nothing", new="other") == done
    assert await ann.pinboard("tags/get") == {"BIG": "3", "other": "2"}
    assert await ann.pinboard("tags/rename", old="other", new="big") == done
    assert await ann.pinboard("tags/get") == {"BIG": "3"}
    assert await ann.pinboard("tags/delete", tag="big") == done
    assert await ann.pinboard("tags/delete", tag="big") == done
    assert await ann.pinboard("tags/get") == {}


async def test_suggestions_have_both_lists(ann: Person) -> None:
    assert await ann.pinboard("posts/suggest", url=URL) == [{"popular": []}, {"recommended": []}]
    await add(ann, tags="Mesh")
    found = await ann.pinboard("posts/suggest", url="https://example.org/other")
    assert found == [{"popular": []}, {"recommended": ["Mesh"]}]


async def test_the_last_change_is_known_before_there_is_any(ann: Person) -> None:
    before = (await ann.pinboard("posts/update"))["update_time"]
    assert before <= f"{dt.datetime.now(dt.UTC):%FT%TZ}"
    await add(ann)
    assert (await ann.pinboard("posts/update"))["update_time"] >= before


async def test_second_texts_are_notes(ann: Person) -> None:
    assert await ann.pinboard("notes/list") == {"count": 0, "notes": []}
    await ann.linkding(
        "POST", "bookmarks/?disable_scraping", 201, json={"url": URL, "title": "T", "notes": "text"}
    )
    (listed,) = (await ann.pinboard("notes/list"))["notes"]
    assert set(listed) == {"id", "hash", "title", "length", "created_at", "updated_at"}
    assert (listed["length"], listed["title"]) == ("4", "T")
    one = await ann.pinboard(f"notes/{listed['id']}")
    assert one == {**listed, "length": 4, "text": "text"}
    xml = await ann.pinboard_xml(f"notes/{listed['id']}/")
    assert f'<note id="{listed["id"]}"' in xml
    answer = await ann.web.get("/v1/notes/none", params={"auth_token": f"{ann.name}:{ann.token}"})
    assert answer.status_code == 404

"""The same answer in JSON and in XML, whatever people write."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from services.links.client import Link, Listed
from services.web.pinboard.answers import (
    Answer,
    Dates,
    Note,
    Notes,
    PostList,
    Result,
    Said,
    Suggested,
    Tags,
    Updated,
    rendered,
)
from services.web.pinboard.post import md5, shown, xml_text

TEXT = st.text() | st.sampled_from(["<&>\"'", "a\nb\r\nc\td", "]]>", "\x01\x0b\ufffe", "😀é"])
LISTED = st.builds(
    Listed,
    st.builds(
        Link,
        url=TEXT,
        title=TEXT,
        note=TEXT,
        tags=st.just([]),
        created_at=st.datetimes(dt.datetime(1, 1, 2), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    ),
    st.lists(TEXT, max_size=4),
)
COUNTS = st.dictionaries(TEXT.map(xml_text), st.integers(0, 10**9), max_size=4)
NOTE = st.builds(Note)
ANSWERS: st.SearchStrategy[Answer] = st.one_of(
    st.builds(Result, TEXT),
    st.builds(Said, TEXT),
    st.builds(Updated, TEXT),
    st.builds(Dates, TEXT, TEXT, COUNTS),
    st.builds(Suggested, st.lists(TEXT), st.lists(TEXT)),
    st.builds(Tags, COUNTS),
    NOTE,
    st.builds(Notes, st.lists(NOTE, max_size=3)),
)


def clean(value: Any) -> Any:
    """What of a JSON answer XML can carry, all of it as texts."""
    if isinstance(value, dict):
        return {clean(key): clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    return xml_text(str(value))


def from_xml(text: bytes, answer: Answer) -> Any:
    """An XML answer put in the form of the JSON one."""
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    match answer:
        case Result():
            return {"result_code": root.get("code")}
        case Said():
            return {"result": root.text or ""}
        case Updated():
            return {"update_time": root.get("time")}
        case Dates():
            dates = {each.get("date"): each.get("count") for each in root}
            return {"user": root.get("user"), "tag": root.get("tag"), "dates": dates}
        case Suggested():
            lists = {
                name: [each.text or "" for each in root if each.tag == name]
                for name in ("popular", "recommended")
            }
            return [{name: found} for name, found in lists.items()]
        case Tags():
            return {each.get("tag"): each.get("count") for each in root}
        case Note():
            return {**root.attrib, "text": root.findtext("text")}
        case Notes():
            return {"count": root.get("count"), "notes": [dict(each.attrib) for each in root]}


@given(ANSWERS)
def test_both_forms_say_the_same(answer: Answer) -> None:
    xml = rendered(answer, "xml")
    assert xml.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    assert clean(json.loads(rendered(answer, "json"))) == from_xml(xml, answer)


@given(st.lists(LISTED, max_size=3), TEXT, st.none() | st.just("2026-11-23T10:00:00Z"))
def test_posts_are_the_same_in_both_forms(listed: list[Listed], user: str, date: str | None) -> None:
    posts = [shown(each) for each in listed]
    texts = {}
    for form in ("json", "xml"):
        frame = PostList(form, user, date)
        texts[form] = frame.head + frame.between.join(map(frame.post, posts)) + frame.tail
    told = json.loads(texts["json"])
    root = ElementTree.fromstring(texts["xml"].encode())  # noqa: S314 - our own
    assert root.get("user") == xml_text(user)
    found = [dict(each.attrib) for each in root]
    for each in found:
        each["tags"] = each.pop("tag")
    assert clean(told if date is None else told["posts"]) == found
    if date is not None:
        assert (told["date"], told["user"], root.get("dt")) == (date, user, date)
    assert all(
        isinstance(value, str)
        for post in (told if date is None else told["posts"])
        for value in post.values()
    )


@given(LISTED, LISTED)
def test_meta_differs_where_posts_do(one: Listed, other: Listed) -> None:
    first, second = shown(one), shown(other)
    assert (first.meta == second.meta) == (first == second)
    assert len(first.meta) == 32
    assert first.hash == md5(one.link.url)

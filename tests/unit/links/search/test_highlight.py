import datetime as dt

import msgspec
import pytest

from services.links.domain import Link
from services.links.search.highlight import MAX_RANGES, Highlighter, Highlights
from services.links.search.language import parse

NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
LINK = Link(
    id=1,
    owner_id=1,
    url="https://docs.example.org/Küche/page?Python=1",
    title="<b>Python</b> in der Küche: python recipes",
    note="Tips for a Python kitchen",
    tags=["c++", "machine-learning", "python"],
    private=False,
    to_read=False,
    health="unknown",
    health_reason="",
    suggested_url=None,
    checked_at=None,
    created_at=NOON,
    updated_at=NOON,
    version=1,
)


def marked(text: str, ranges: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in ranges]


@pytest.mark.parametrize(
    ("query", "title", "url", "note", "tags"),
    [
        ("python", ["Python", "python"], ["Python"], ["Python"], ["python"]),
        ("kuch*", ["Küche"], ["Küche"], [], []),
        ('"kuche python"', ["Küche: python"], [], [], []),
        ('"python rec"*', ["python recipes"], [], [], []),
        ("title:tips note:tips", [], [], ["Tips"], []),
        ("url:E.ORG/k", [], ["e.org/K"], [], []),
        ("tag:c++ tag:mach*", [], [], [], ["c++", "machine-learning"]),
        ("learning", [], [], [], ["machine-learning"]),
        ("-python or -(recipes or -tips)", [], [], ["Tips"], []),
        ("in der is:read", ["in", "der"], [], [], []),
        ("*", [], [], [], []),
    ],
)
def test_what_a_query_looks_for_is_marked(
    query: str, title: list[str], url: list[str], note: list[str], tags: list[str]
) -> None:
    found = Highlighter(parse(query)).highlights(LINK)
    assert marked(LINK.title, found.title) == title
    assert marked(LINK.url, found.url) == url
    assert marked(LINK.note, found.note) == note
    assert found.tags == tags


def test_ranges_that_overlap_are_one() -> None:
    found = Highlighter(parse('python "in der" "der kuche"')).highlights(LINK)
    assert marked(LINK.title, found.title) == ["Python", "in der Küche", "python"]


def test_ranges_are_bounded() -> None:
    link = msgspec.structs.replace(
        LINK, note="a b " * 16_000, title="a a " * 200, url="http://a/" + "a/b/" * 99
    )
    found = Highlighter(parse("a url:b")).highlights(link)
    assert [len(ranges) for ranges in (found.title, found.url, found.note)] == [MAX_RANGES] * 3


def test_a_link_found_by_other_things_has_no_marks() -> None:
    found = Highlighter(parse("is:public -absent site:example.org")).highlights(LINK)
    assert found == Highlights(title=[], url=[], note=[], tags=[])

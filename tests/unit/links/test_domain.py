"""What a link's fields may hold, and the form in which they are stored."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.links import domain
from services.links.domain import Invalid, LinkChange, NewLink


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        (" Python ", "python"),
        (",a,", "a"),
        ("double  blank", "double-blank"),
        ("a , b", "a-b"),
        ("CSS & Layout", "css-&-layout"),
        ("Straße", "straße"),
        ("c++", "c++"),
        (".work", ".work"),
        ("ci/cd", "ci/cd"),
        (" , ", ""),
        ("a\u00a0\tb", "a-b"),
        ("Cafe\u0301", "caf\u00e9"),
        ("CAF\u00c9", "caf\u00e9"),
        ("\u212bngstr\u00f6m", "\u00e5ngstr\u00f6m"),
    ],
)
def test_a_tag_has_one_form(written: str, tag: str) -> None:
    assert domain.normalise_tag(written) == tag


@given(st.text())
def test_the_normal_form_of_a_tag_has_no_blank_no_comma_and_is_its_own_normal_form(text: str) -> None:
    tag = domain.normalise_tag(text)
    assert domain.normalise_tag(tag) == tag
    assert not any(character.isspace() or character == "," for character in tag)


def test_tags_are_sorted_by_code_point_and_each_stands_once() -> None:
    assert domain.normalise_tags(["b", "A", "ä", "a", "", "Z "]) == ["a", "b", "z", "ä"]


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        (NewLink(url="nowhere"), "/url"),
        (NewLink(url="https://example.org/" + "x" * 8_192), "/url"),
        (NewLink(url="https://example.org/" + "ü" * 4_096), "/url"),
        (NewLink(url="https://example.org/", title="t" * 1_001), "/title"),
        (NewLink(url="https://example.org/", note="n" * 65_537), "/note"),
        (NewLink(url="https://example.org/", tags=("ok", "t" * 256)), "/tags/1"),
        (LinkChange(tags=tuple(f"t{n}" for n in range(101))), "/tags"),
        (
            LinkChange(created_at=dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=1)))),
            "/created_at",
        ),
        (LinkChange(created_at=dt.datetime.min.replace(tzinfo=dt.UTC)), "/created_at"),
        (LinkChange(created_at=dt.datetime.max.replace(tzinfo=dt.UTC)), "/created_at"),
    ],
)
def test_a_field_beyond_its_limit_is_refused_with_its_place(sent: NewLink | LinkChange, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        domain.normalise(sent)
    assert caught.value.pointer == pointer


def test_limits_themselves_are_allowed() -> None:
    url = "https://example.org/"
    values = domain.normalise(
        NewLink(
            url=url + "x" * (8_192 - len(url)),
            title="t" * 1_000,
            note="n" * 65_536,
            tags=tuple(f"{n:0255}" for n in range(100)),
        )
    )
    assert values.tags is not None
    assert len(values.tags) == 100


def test_what_was_not_sent_stays_unset() -> None:
    assert domain.normalise(LinkChange(private=False)) == domain.Values(private=False)


def test_a_title_is_one_line_and_a_time_is_in_utc() -> None:
    east = dt.timezone(dt.timedelta(hours=2))
    values = domain.normalise(
        LinkChange(title=" two\n lines\0 ", created_at=dt.datetime(2024, 1, 1, 1, tzinfo=east))
    )
    assert values.title == "two lines"
    assert values.created_at == dt.datetime(2023, 12, 31, 23, tzinfo=dt.UTC)

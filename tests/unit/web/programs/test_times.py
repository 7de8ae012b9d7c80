"""Times in every form that programs write them in."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.web.programs.times import parse, whole, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23", "2026-11-23T00:00:00Z"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23t10:00:00z", "2026-11-23T10:00:00Z"),
        ("2026-11-23 10:00:00", "2026-11-23T10:00:00Z"),
        ("20261123T100000Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23T10:00:00.999999+02:00", "2026-11-23T08:00:00Z"),
        ("2026-11-23T10:00:00 02:00", "2026-11-23T08:00:00Z"),
        ("2026-11-23 10:00:00.5 0200", "2026-11-23T08:00:00Z"),
        ("2026-11-23T10:00:00-0200", "2026-11-23T12:00:00Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
        ("2099-12-31T23:59:59Z", "2099-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_understood(text: str, expected: str) -> None:
    when = parse(text)
    assert when is not None
    assert written(when) == expected


@pytest.mark.parametrize(
    "text",
    ["", "never", "2026-13-01", "2100-01-01", "0000-01-01", "0001-01-01T00:00:00+01:00", "1600000000", "T"],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse(text) is None


@given(st.datetimes(dt.datetime(1, 1, 2), dt.datetime(2099, 12, 30), timezones=st.just(dt.UTC)))  # noqa: DTZ001
def test_what_is_written_is_read_again(when: dt.datetime) -> None:
    assert parse(written(when)) == whole(when)


@given(st.text())
def test_any_text_is_a_time_or_none(text: str) -> None:
    parse(text)

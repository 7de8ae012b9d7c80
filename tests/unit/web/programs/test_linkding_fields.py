"""What programs send of a bookmark, and where they are in a list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.web.linkding.answers import origin, page_urls
from services.web.linkding.bundle import bundle_fields
from services.web.linkding.fields import InvalidFields, bookmark_fields, split_tags, within_limits

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["url", "title", "description", "notes", "is_archived", "unread", "shared", "tag_names", "date_added",
     "date_modified", "name", "search", "any_tags", "filter_unread", "order", "other"]
)  # fmt: skip


@given(st.dictionaries(NAMES, JSON | st.lists(st.text(), max_size=3)))
def test_any_object_is_read_or_a_field_is_named(body: dict[str, Any]) -> None:
    for read in (
        lambda: within_limits(bookmark_fields(body), None),
        lambda: bundle_fields(body, is_whole=True),
    ):
        try:
            read()
        except InvalidFields as error:
            assert set(error.fields) <= set(body) | {"url", "name"}


@pytest.mark.parametrize(
    ("sent", "tags"),
    [
        (["b", "A", "a"], ("b", "A")),
        (["two words, three", " , ", ""], ("two-words", "three")),
        (["ÄÖ", "äö"], ("ÄÖ",)),
    ],
)
def test_tags_are_split_and_kept_as_written(sent: list[str], tags: tuple[str, ...]) -> None:
    assert split_tags(sent) == tags


@pytest.mark.parametrize(
    ("count", "limit", "offset", "following", "previous"),
    [
        (0, 10, 0, None, None),
        (10, 10, 0, None, None),
        (11, 10, 0, "?q=a+b&limit=10&offset=10", None),
        (30, 10, 15, "?q=a+b&limit=10&offset=25", "?q=a+b&limit=10&offset=5"),
        (30, 10, 5, "?q=a+b&limit=10&offset=15", "?q=a+b&limit=10"),
        (3, 10, 100, None, "?q=a+b&limit=10&offset=90"),
    ],
)
def test_the_pages_before_and_behind(
    count: int, limit: int, offset: int, following: str | None, previous: str | None
) -> None:
    query = b"q=a%20b&limit=x&offset=y"
    found = page_urls("https://h/api/tags/", query, count=count, limit=limit, offset=offset)
    assert found == tuple(url and f"https://h/api/tags/{url}" for url in (following, previous))


def test_the_origin_is_where_the_program_asked() -> None:
    assert origin({"host": "h:1", "x-forwarded-proto": "https"}, "") == "https://h:1"
    assert origin({"host": "[::1]:8443"}, "") == "http://[::1]:8443"
    assert origin({"host": 'h"/evil'}, "") == "http://localhost"
    assert origin({"host": "h"}, "https://public.example/") == "https://public.example"

"""What a title and an address suggest as tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.links import tags
from services.links.domain import Invalid
from services.links.tags import Merge


@pytest.mark.parametrize(
    ("url", "title", "expected"),
    [
        ("", "Machine Learning", ["machine", "learning", "machine-learning"]),
        ("https://www.example.org/a_b", "", ["example", "org", "a", "b", "example-org", "org-a", "a-b"]),
        ("", "C++ and C# today", ["c++", "and", "c#", "today", "c++-and", "and-c#", "c#-today"]),
        ("", "Ünïcode 日本", ["ünïcode", "日本", "ünïcode-日本"]),
        ("", "", []),
    ],
)
def test_each_word_and_each_pair_of_words_may_be_a_tag(url: str, title: str, expected: list[str]) -> None:
    assert tags.words(url, title) == expected


@given(st.text(max_size=3_000), st.text(max_size=3_000))
def test_words_are_few_and_each_stands_once(url: str, title: str) -> None:
    found = tags.words(url, title)
    assert len(found) == len(set(found)) <= tags.MAX_WORDS


def test_a_tag_is_not_merged_into_itself() -> None:
    assert tags.merging(Merge(("A", "b", "b"), "a")) == (["b"], "a")
    with pytest.raises(Invalid):
        tags.merging(Merge(("A",), "a"))

"""linkding's searches put into our language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.links.search import language
from services.links.search.tree import And, Everything, Is, Node, Not, Or, Part, Site, Tag
from services.web.linkding.language import UnreadableQuery, translated


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("word", Part("word")),
        ("two words", And((Part("two"), Part("words")))),
        ("a AND b or c", Or((And((Part("a"), Part("b"))), Part("c")))),
        ("not a b", And((Not(Part("a")), Part("b")))),
        ("not (a or b)", Not(Or((Part("a"), Part("b"))))),
        ("-a c-d - e", And((Not(Part("a")), Part("c-d"), Part("-"), Part("e")))),
        ('"a b"', Part("a b")),
        ("'it\\'s \"so\"'", Part('it\'s "so"')),
        ("it's", Part("it's")),
        ("#Tag #c++", And((Tag("tag"), Tag("c++")))),
        ("#", Part("#")),
        ("!unread !untagged", And((Is("unread"), Is("untagged")))),
        ("!other", Everything()),
        ("!", Part("!")),
        ('""', Everything()),
        ("c++ https://example.org/x", And((Part("c++"), Part("https://example.org/x")))),
        ("pyth*", Part("pyth")),
        ('site:example.org tag:"a b" is:unread', And((Site("example.org"), Tag("a-b"), Is("unread")))),
        ("or: and:", And((Part("or:"), Part("and:")))),
    ],
)
def test_a_query_means(query: str, tree: Node) -> None:
    assert language.parse(translated(query)) == tree


@pytest.mark.parametrize("query", ["(", ")", "a)", "(a", "()", "and", "a or", "not", '"open', "(" * 30 + "a"])
def test_what_cannot_be_read(query: str) -> None:
    with pytest.raises(UnreadableQuery):
        translated(query)


def test_no_word_is_no_query() -> None:
    assert translated(" \t ") == ""


@given(st.text(st.sampled_from("ab #!\"'\\()-:* ortagn\x00\ud800é"), max_size=60))
def test_any_text_is_read_refused_or_understood_by_our_language(query: str) -> None:
    try:
        text = translated(query)
        if text:
            language.parse(text)
    except (UnreadableQuery, language.InvalidQuery):
        pass

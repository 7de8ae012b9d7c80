import datetime as dt
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.links import urls
from services.links.domain import normalise_tag
from services.links.search.language import MAX_CHARACTERS, MAX_DEPTH, MAX_TERMS, InvalidQuery, parse
from services.links.search.tree import (
    STATES,
    And,
    Everything,
    Is,
    Leaf,
    Node,
    Not,
    Or,
    Part,
    Saved,
    Site,
    Tag,
    Text,
    UrlPart,
    all_of,
    any_of,
    negated,
    wanted,
    written,
)

a, b, c = Text("a"), Text("b"), Text("c")


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("python", Text("python")),
        ("a b", And((a, b))),
        ("a and b AND c", And((a, b, c))),
        ("a b or c", Or((And((a, b)), c))),
        ("a OR b oR c", Or((a, b, c))),
        ("a (b or c)", And((a, Or((b, c))))),
        ("(a (b)) c", And((a, b, c))),
        ("-a", Not(a)),
        ("not a b", And((Not(a), b))),
        ("--a", a),
        ("-(a or b)", Not(Or((a, b)))),
        ('"exact phrase"', Text("exact phrase")),
        ("“exact phrase”", Text("exact phrase")),
        (r'"say \"so\" \\ \n"', Text(r'say "so" \ \n')),
        ("pyth*", Text("pyth", is_prefix=True)),
        ('"exact phr"*', Text("exact phr", is_prefix=True)),
        ("*", Everything()),
        ("title:a note:b*", And((Text("a", field="title"), Text("b", is_prefix=True, field="note")))),
        ('"or" "tag:web"', And((Text("or"), Text("tag:web")))),
    ],
)
def test_terms_and_operators(query: str, tree: Node) -> None:
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("tag:web", Tag("web")),
        ("TAG:Web", Tag("web")),
        ('tag:"a b"', Tag("a-b")),
        ("tag:c++", Tag("c++")),
        ("tag:web*", Tag("web", is_prefix=True)),
        ('tag:"web*"', Tag("web*")),
        ("tag:*", Tag("", is_prefix=True)),
        ("-tag:old", Not(Tag("old"))),
        ("site:Example.ORG", Site("example.org")),
        ("site:https://example.org:80/a?b", Site("example.org")),
        ("site:bücher.example", Site("xn--bcher-kva.example")),
        ("url:/a*b?C", UrlPart("/a*b?C")),
        ('part:"a - B"', Part("a - B")),
        ("is:archived", Is("archived")),
        ("before:2024", Saved("before", "2024")),
        ("after:2024-02", Saved("after", "2024-02")),
        ("on:2024-02-29", Saved("on", "2024-02-29")),
        ("after:7D", Saved("after", "7d")),
        ("is:Unread", Is("unread")),
    ],
)
def test_fields(query: str, tree: Node) -> None:
    assert parse(query) == tree


@pytest.mark.parametrize(
    "text",
    ["http://example.org/a?b=c", "https://en.example/wiki/Foo_(bar)", "c++", "c#", ".net", "a:b", "C:\\x",
     "std::vector", "don't", "3:", "foo-bar", "user@example.org", "f.txt"],
)  # fmt: skip
def test_what_only_looks_like_a_sign_of_the_language_is_text(text: str) -> None:
    assert parse(text) == Text(text)


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Salt & Pepper", ["Salt", "Pepper"]),
        ("Home | Example \u2013 News", ["Home", "Example", "News"]),
        ("Rust: a language - part 2", ["Rust:", "a", "language", "part", "2"]),
        ("git log --oneline", ["git", "log", "oneline"]),
    ],
)
def test_a_pasted_title_is_a_query(title: str, words: list[str]) -> None:
    assert parse(title) == And(tuple(Text(word) for word in words))


@pytest.mark.parametrize(
    ("query", "position", "length", "message"),
    [
        ("", 0, 0, "expected a word"),
        ("  - & ", 0, 6, "expected a word"),
        ("a or", 4, 0, "after or, found the end"),
        ("or a", 0, 2, "in quotes it is a word"),
        ("a and or b", 6, 2, "after and, found `or`"),
        ("not", 3, 0, "after not, found the end"),
        ("()", 1, 1, r"found \)"),
        ("a (b", 2, 1, r"expected a \)"),
        ("a) b", 1, 1, "closes nothing"),
        ('é "b c', 2, 4, "closing quote"),
        ("a tag:", 2, 4, "right after tag:"),
        ("tag: b", 0, 4, "right after tag:"),
        ('tag:","', 4, 3, "expected a tag"),
        ("a foo:bar", 2, 4, "unknown field foo: .known: tag:, site:.*quotes it is text"),
        ('foo:"bar"', 0, 4, "unknown field"),
        ("a py*on", 4, 1, "only at the end"),
        ("*on", 0, 1, "only at the end"),
        ("title:…", 6, 1, "a letter or a digit"),
        ("is:foo", 3, 3, "one of unread, read, private"),
        ("is:read*", 3, 5, r"takes no \*"),
        ("site:example.org/a", 5, 13, "without a path"),
        ("site:localhost:80", 5, 12, "without a port"),
        ("before:2024-02-30", 7, 10, "no day 2024-02-30"),
        ("before:2024-13", 7, 7, "no month 2024-13"),
        ("on:0000", 3, 4, "year from 0001 to 9998"),
        ("on:9999", 3, 4, "year from 0001 to 9998"),
        ("on:7d", 3, 2, "expected YYYY, YYYY-MM or"),
        ("after:yesterday", 6, 9, "expected YYYY"),
        ("a\0", 1, 1, "no text contains"),
        ("\ud800", 0, 1, "no text contains"),
    ],
)
def test_a_malformed_query_says_where_and_what(query: str, position: int, length: int, message: str) -> None:
    with pytest.raises(InvalidQuery, match=message) as raised:
        parse(query)
    assert (raised.value.position, raised.value.length) == (position, length)


@pytest.mark.parametrize(
    ("longest", "too_long", "position"),
    [
        ("a" * MAX_CHARACTERS, "a" * (MAX_CHARACTERS + 1), MAX_CHARACTERS),
        ("a " * MAX_TERMS, "a " * (MAX_TERMS + 1), 2 * MAX_TERMS),
        ("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH, "(" * (MAX_DEPTH + 1) + "a", MAX_DEPTH),
        ("-" * MAX_DEPTH + "a", "-" * (MAX_DEPTH + 1) + "a", MAX_DEPTH),
    ],
)
def test_bounds(longest: str, too_long: str, position: int) -> None:
    parse(longest)
    with pytest.raises(InvalidQuery, match="at most") as raised:
        parse(too_long)
    assert raised.value.position == position


SIGNS = st.characters(codec="utf-8", exclude_characters="\0")
WORDS = st.text(SIGNS, min_size=1, max_size=8).filter(lambda text: any(sign.isalnum() for sign in text))
TAGS = WORDS.map(normalise_tag).filter(bool)
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]+){0,3}", fullmatch=True).filter(
    lambda host: len(host) < 100
)
WHEN = st.dates(dt.date(1000, 1, 1), dt.date(9998, 12, 31)).map(dt.date.isoformat)
LEAVES: st.SearchStrategy[Leaf] = st.one_of(
    st.builds(Text, WORDS, st.booleans(), st.sampled_from(("", "title", "note"))),
    st.builds(Tag, TAGS, st.booleans()),
    st.just(Tag("", True)),
    st.builds(Site, HOSTS),
    st.builds(UrlPart, st.text(SIGNS, min_size=1, max_size=8)),
    st.builds(Part, st.text(SIGNS, min_size=1, max_size=8)),
    st.builds(Saved, st.sampled_from(("before", "after", "on")), WHEN),
    st.builds(Saved, st.just("after"), st.sampled_from(("2024", "2024-02", "7d", "2w"))),
    st.builds(Is, st.sampled_from(STATES)),
    st.just(Everything()),
)
TREES: st.SearchStrategy[Node] = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        parts.map(negated),
        st.lists(parts, min_size=1, max_size=4).map(all_of),
        st.lists(parts, min_size=1, max_size=4).map(any_of),
    ),
    max_leaves=8,
)


@given(TREES)
def test_a_written_tree_reads_as_itself(tree: Node) -> None:
    assert parse(written(tree)) == tree


PIECES = st.sampled_from(
    ["a", "tag:", "tag:x", "foo:", "is:", "url:", "before:", "2024", "(", ")", '"', "“", "”", "*", "-",
     " ", "or", " or ", " and ", "not ", "http://", "::", "\\", "[::1]", "site:", "é", "\0", "\ud800", "½",
     "\U0001d538", "@"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_is_a_query_or_a_fault_inside_it(text: str) -> None:
    try:
        tree = parse(text)
    except InvalidQuery as error:
        assert 0 <= error.position <= len(text)
        assert 0 <= error.length <= len(text) - error.position
        assert error.message
    else:
        assert parse(written(tree)) == tree


def test_what_is_negated_is_not_wanted() -> None:
    assert list(wanted(parse("a -b or -(c -tag:x)"))) == [a, Tag("x")]


def test_hosts_are_compared_as_the_service_stores_them() -> None:
    assert parse("site:MÜNCHEN.example") == Site(urls.host_of("https://münchen.example/"))


def test_decomposed_letters_are_words() -> None:
    assert parse(unicodedata.normalize("NFD", "Küche")) == Text(unicodedata.normalize("NFD", "Küche"))

"""The rules one by one, on the smallest file that shows each."""

from __future__ import annotations

import io

import pytest

from services.links.bookmarks import fields, files, markup, netscape, text
from services.links.bookmarks.model import Bookmark, Entry, Options, Skipped, UnknownFormat


def read(content: str | bytes) -> list[Entry]:
    raw = content.encode() if isinstance(content, str) else content
    return list(files.read(io.BytesIO(raw), Options())[1])


def only(content: str | bytes) -> Bookmark:
    (entry,) = read(content)
    assert isinstance(entry, Bookmark)
    return entry


def html(rest: str) -> Bookmark:
    return only(f'<DL><DT><A HREF="http://a.example/" {rest}')


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfa\xc3\xa9", "aé"),
        ("aé".encode("utf-16"), "aé"),
        ("aé".encode("utf-32"), "aé"),
        (b"a\xc3\xa9", "aé"),
        (b"a\xe9\x81 \x80", "aé\x81 €"),
        (b"a\0b", "ab"),
        (b"1\r\n2\n\r3\r4\n\n5\r\n\r\n6", "1\n2\n3\n4\n\n5\n\n6"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 100])
def test_bytes_become_text(
    content: bytes, expected: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "CHUNK_BYTES", chunk_bytes)
    assert "".join(text.chunks(io.BytesIO(content))) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("100000000000", 100_000_000),
        ("99999999999", 99_999_999_999),
        ("1600000000999", 1_600_000_000),
        ("1600000000999999", 1_600_000_000),
        ("13344472013000000", 1_699_998_413),
        ("0", None),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("9" * 30, None),
        ("9" * 20, None),
        ("١٢٣", None),
        (" 12 ", 12),
        ("2023-01-13T08:00:00+02:00", 1_673_589_600),
        ("2023-01-13T06:00:00.999", 1_673_589_600),
        ("2023-01-13", 1_673_568_000),
        ("1969-12-31T23:59:59Z", -1),
        ("0001-01-01T00:00:00+14:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:01Z", -62_135_596_799),
    ],
)
def test_dates(written: str, expected: int | None) -> None:
    assert fields.seconds(written) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a&amp;b", "a&b"),
        ("?a&copy=1", "?a&copy=1"),
        ("?a&copya", "?a&copya"),
        ("?a&copy1", "?a&copy1"),
        ("?a&copy", "?a©"),
        ("?a&copy;=1", "?a©=1"),
        ("?&copy/", "?©/"),
        ("&nosuch;", "&nosuch;"),
        ("&amp;lt;", "&lt;"),
        ("&#x41&#66;", "AB"),
        ("&#128;", "€"),
        ("&", "&"),
    ],
)
def test_references_in_values_are_decoded_as_html_5_says(value: str, expected: str) -> None:
    assert markup.attributes(f'href="{value}"', frozenset(["href"])) == {"href": expected}


def test_attributes_are_read_in_every_style() -> None:
    wanted = frozenset("abcdef")
    written = "A = 'x>' b=y/z?q='1' c D=\"\" a=no /e=1 f=\n\t2"
    assert markup.attributes(written, wanted) == {
        "a": "x>", "b": "y/z?q='1'", "c": "", "d": "", "e": "1", "f": "2",
    }  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_markup_is_the_same_however_it_is_cut(size: int) -> None:
    written = "x<a href='>' b=\"<\">t & < u</A ><!-- <b> --><!doctype x><!--><3 </><?p?>y<br/><p"
    pieces = [written[at : at + size] for at in range(0, len(written), size)]
    joined: list[tuple[str, str]] = []
    for name, value in markup.tokens(pieces):
        if not name and joined and not joined[-1][0]:
            joined[-1] = ("", joined[-1][1] + value)
        else:
            joined.append((name, value))
    assert joined == [
        ("", "x"), ("a", " href='>' b=\"<\""), ("", "t & < u"), ("/a", " "), ("", "<3 y"), ("br", "/"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rest", "title", "note"),
    [
        (">a <b>b</b>\n c</A>", "a b c", ""),
        (">AT&<b>amp;T</b></A>", "AT&amp;T", ""),
        (">a<DD>n", "a", "n"),
        (">a</A><DD>n<HR>m", "a", "n"),
        (">a</A>ignored<DD>\n\nn  \n m\n\n", "a", "n\n m"),
        (">a</A><DD>n<br/>m<i>o</i><P>p</DD>", "a", "n\nmop"),
        (">a</A></DL><DD>n", "a", ""),
        (">a</A><DT><DD>n", "a", ""),
        (">a</A><DD>x[linkding-notes]y[/linkding-notes]", "a", "x\n\ny"),
        (">a</A><DD>[linkding-notes]y[/linkding-notes]z", "a", "yz"),
        (">a</A><DD>&#91;linkding-notes]y", "a", "[linkding-notes]y"),
        (">a<LI>b", "a", ""),
        (">a", "a", ""),
    ],
)
def test_where_titles_and_notes_end(rest: str, title: str, note: str) -> None:
    entry = html(rest)
    assert (entry.title, entry.note) == (title, note)


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ("<H3>A</H3><DL>{}", ("a",)),
        ("<H3>A<DL>{}", ("a",)),
        ("<H3>A</H3><HR><DL>{}", ()),
        ("<H3>A</H3><A HREF=http://b.example>b</A><DL>{}", ()),
        ("<H3>A</H3></DL><DL>{}", ()),
        ("<H3>A</H3><DD>note<DL><DL>{}", ("a",)),
        ("<H3>Mobile  Bookmarks</H3><DL><H3>Other Bookmarks</H3><DL>{}", ()),
        ("<H3>A</H3><DL><H3>Unsorted</H3><DL>{}", ("a", "unsorted")),
        ("<H3 PERSONAL_TOOLBAR_FOLDER=x>A</H3><DL>{}", ()),
        ("<H3>A</H3><DL><H3 PERSONAL_TOOLBAR_FOLDER=x>B</H3><DL>{}", ("a", "b")),
        ("<H3>A</H3><DL></DL>{}", ()),
        ("</DL></DL><H3> , </H3><DL><H3>Bookmarks</H3><DL>{}", ()),
    ],
)
def test_which_folders_give_a_tag(written: str, tags: tuple[str, ...]) -> None:
    entries = read("<DL>" + written.format("<DT><A HREF=http://a.example>a</A>"))
    assert isinstance(entries[-1], Bookmark)
    assert entries[-1].tags == tags


def test_folders_without_end_take_no_memory_and_give_no_more_tags() -> None:
    deep = netscape.MAX_DEPTH * 3
    content = "".join(f"<H3>{n}</H3><DL>" for n in range(deep)) + "<A HREF=http://a.example>a</A>"
    content += "</DL>" * deep + "<A HREF=http://b.example>b</A>"
    first, second = read(content)
    assert isinstance(first, Bookmark)
    assert isinstance(second, Bookmark)
    assert (len(first.tags), second.tags) == (netscape.MAX_DEPTH - 1, ())


@pytest.mark.parametrize(
    "content",
    [
        '[{"href":"http://a.example/"},{"href":"http://b.exa',
        '[{"href":"http://a.example/"} {"href":"http://b.example/"}]',
        '[{"href":"http://a.example/"},]',
        '[{"href":"http://a.example/"},' + "[" * 100_000,
    ],
)
def test_json_is_read_as_far_as_it_is_whole(content: str) -> None:
    first, rest = read(content)
    assert isinstance(first, Bookmark)
    assert rest == Skipped(2, "", "unreadable")


def test_json_elements_that_are_no_bookmarks_are_skipped_one_by_one() -> None:
    assert [type(entry) for entry in read('[1, null, {"href": 5}, {"href":"http://a.example"}]')] == [
        Skipped, Skipped, Skipped, Bookmark,
    ]  # fmt: skip
    assert read("[]") == []


def test_text_that_a_database_cannot_hold_is_replaced() -> None:
    entry = only(r'[{"href":"http://a.example","description":"x\u0000y\ud83dz","extended":"1\r\n2\r3"}]')
    assert (entry.title, entry.note) == ("xy\ufffdz", "1\n2\n3")


def test_a_csv_whose_quote_never_ends_is_read_as_far_as_it_is_whole() -> None:
    rest = "x\n" * 600_000
    entries = read(f'url,title\nhttp://a.example,a\nhttp://b.example,"{rest}')
    assert isinstance(entries[0], Bookmark)
    assert entries[1:] == [Skipped(2, "", "unreadable")]


@pytest.mark.parametrize("content", ["", "  \n", "hello", '{"roots": {}}', "a,b\n1,2", "<svg></svg>"])
def test_what_is_no_bookmark_file_is_refused_with_a_sentence(content: str) -> None:
    with pytest.raises(UnknownFormat, match=r"\.$"):
        read(content)


def test_what_a_link_cannot_hold_is_cut_and_said() -> None:
    entry = html(f'TAGS="{"t" * 300}">{"x" * 1_001}</A><DD>{"n" * 65_537}')
    assert (len(entry.title), len(entry.note), len(entry.tags[0]), entry.cut) == (1_000, 65_536, 255, True)
    assert read(f"<DL><A HREF=http://a.example/{'x' * 9_000}>")[0] == Skipped(
        1, f"http://a.example/{'x' * 1_983}", "too-long-url"
    )

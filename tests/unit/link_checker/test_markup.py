"""What a page says of itself, however badly it says it, and in time that does not explode."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.link_checker.fetching import charsets, markup, targets
from services.link_checker.fetching.markup import MAX_TITLE, Page

BASE = targets.read("https://example.org/a/b?c")


def read(text: str) -> Page:
    return markup.read(text, BASE)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("<title>Plain</title>", "Plain"),
        ("<TITLE lang=en>\n Two\n  words </TITLE >", "Two words"),
        ("<title>a &amp; b &#8364; &lt;c&gt; &nosuch;</title>", "a & b € <c> &nosuch;"),
        ("<!-- <title>no</title> --><title>yes</title>", "yes"),
        ("<script>'<title>no</title>'</script><title>yes</title>", "yes"),
        ("<svg><title>icon</title></svg><title>yes</title>", "yes"),
        ("<title>first</title><title>second</title>", "first"),
        ("<title></title><meta property='og:title' content='Graph'>", "Graph"),
        ("<meta name=twitter:title content=Bird>", "Bird"),
        ("<title>never closed", "never closed"),
        ("<title>x &#" + "9" * 5_000 + ";</title>", "x &#" + "9" * (MAX_TITLE - 4)),
        ("<title>right\u202e to left\x00\x1b[0m</title>", "right to left[0m"),
        ("<p title='<title>no</title>'>", None),
        ("<titles>no</titles>", None),
        ("", None),
    ],
)
def test_titles(text: str, title: str | None) -> None:
    assert read(text).title == title


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ('<meta name="description" content="About &quot;it&quot;">', 'About "it"'),
        ("<META CONTENT='turned round' NAME=Description>", "turned round"),
        ("<meta property=og:description content=short />", "short"),
        ("<meta name=description content=''><meta property='og:description' content='other'>", "other"),
        ("<meta name='description' content='a > b'>", "a > b"),
        ("<meta name=keywords content=no>", None),
    ],
)
def test_descriptions(text: str, description: str | None) -> None:
    assert read(text).description == description


@pytest.mark.parametrize(
    ("address", "image"),
    [
        ("https://cdn.example.net/i.png", "https://cdn.example.net/i.png"),
        ("/i.png", "https://example.org/i.png"),
        ("//cdn.example.net/i.png", "https://cdn.example.net/i.png"),
        ("javascript:alert(1)", None),
        ("data:image/png;base64,AA", None),
        ("http://localhost/i.png", None),
        ("http://2130706433/i.png", None),
    ],
)
def test_preview_images_are_addresses_that_one_may_visit(address: str, image: str | None) -> None:
    assert read(f'<meta property="og:image" content="{address}">').image == image


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("käse".encode(), "text/html; charset=UTF-8", "käse"),
        ("käse".encode("latin-1"), 'text/html; charset="ISO-8859-1"', "käse"),
        ("käse".encode(), "text/html", "käse"),
        ("käse".encode("cp1252"), "text/html", "käse"),
        (b"\xef\xbb\xbf" + "käse".encode(), "text/html; charset=latin1", "käse"),
        (b"\xff\xfe" + "käse".encode("utf-16-le"), "", "käse"),
        ("<meta charset=koi8-r>привет".encode("koi8-r"), "", "<meta charset=koi8-r>привет"),
        ("日本語".encode("shift_jis"), "text/html;charset=Shift_JIS", "日本語"),
        (b"<meta charset='utf-16'>abc", "", "<meta charset='utf-16'>abc"),
        (b"abc", "text/html; charset=zip", "abc"),
        (b"\\u0041", "text/html; charset=unicode_escape", "\\u0041"),
        ("käse".encode()[:2], "text/html", "k"),
        (b"\xff\xff", "text/html; charset=utf-8", "\ufffd\ufffd"),
    ],
)
def test_encodings(body: bytes, content_type: str, text: str) -> None:
    assert charsets.decode(body, content_type) == text


HOSTILE = [
    "<",
    "<a ",
    "<!--",
    "<!-- -",
    "<title>",
    "<title",
    "<svg>",
    "<script",
    "<meta a=\"b='",
    "<meta " + "a" * 59,
    "<meta \t\t\t\t\t\t\t\t",
    "<meta name=x content=",
    "</",
    "&",
    "<meta content='&#x",
    "<a b='",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    """Four times as much must not take much more than four times as long (quadratic: sixteen)."""

    def cost_s(size: int) -> float:
        text = piece * (size // len(piece))
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            read(text)
            best = min(best, time.process_time() - began)
        return best

    small, large = cost_s(64 * 1024), cost_s(256 * 1024)
    assert large < 10 * small + 0.02


@pytest.mark.parametrize("piece", ["charset=", " ", "charset =", 'charset= "', "<meta charset="])
def test_no_header_and_no_page_takes_longer_to_tell_its_charset(piece: str) -> None:
    def cost_s(size: int) -> float:
        text = "text/html; charset=" + piece * (size // len(piece)) + ";"
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            charsets.decode(b"", text)
            charsets.decode(b"<meta " + text.encode(), "text/html")
            best = min(best, time.process_time() - began)
        return best

    small, large = cost_s(8 * 1024), cost_s(32 * 1024)
    assert large < 10 * small + 0.02


@pytest.mark.parametrize("said", ["charset=koi8-r", 'charset = "koi8-r"', "a=b; CHARSET='koi8-r'; c=d"])
def test_a_charset_is_read_however_it_is_quoted(said: str) -> None:
    assert charsets.decode("да".encode("koi8-r"), f"text/html; {said}") == "да"
    page = f"<meta {said.rpartition('; c')[0] or said}>да"
    assert charsets.decode(page.encode("koi8-r"), "text/html").endswith("да")


@given(st.text(alphabet="<>\"'=/!-&;# metailsvgcrpo\n\x00é"), st.binary(max_size=50))
def test_any_page_is_read(text: str, body: bytes) -> None:
    page = read(text)
    assert page.title is None or 0 < len(page.title) <= MAX_TITLE
    charsets.decode(body, text)

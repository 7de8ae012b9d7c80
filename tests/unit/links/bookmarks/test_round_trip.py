"""What goes out comes in again, whatever people write."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.links.bookmarks.fields import note_text, storable
from services.links.bookmarks.messages import ExportFormat
from services.links.bookmarks.writers import WRITERS, write
from services.links.domain import checked_title, normalise_tags
from services.links.urls import InvalidUrl, normalise_url
from tests.unit.links.bookmarks.test_corpus import links, rows_of

NASTY = st.sampled_from(
    r"""< > & " ' &amp; &lt; &copy &copy=1 &#13; &nosuch; </A> <DD> <DL> </DL> <H3>x</H3> <!-- --> <BR> <a
    [linkding-notes] [/linkding-notes] ]]> \ \u0041 \n , ; "" '' ""," = + - @ : / # ? % %41""".split()  # noqa: SIM905 - forty lines otherwise
) | st.sampled_from(" \n\t\r\x01\x0b\x1c\x7f\x85\xa0\u200b\u2028\ufeffé\u00df\u017f\u0130日📚")
# What makes a cell a formula, or looks as if it had been defused.
START = st.sampled_from(["", "=", "+", "-", "@", "\t", "\r", "'", "''", "'=", "''@", "'\t", "'x"])
TEXT = (
    st.tuples(START, st.lists(NASTY | st.text(max_size=5), max_size=12).map("".join))
    .map("".join)
    .map(storable)
)


def url(text: str) -> str:
    try:
        return normalise_url(f"http://example.org/{text}")
    except InvalidUrl:
        return "http://example.org/"


LINK = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**63 - 1),
        "url": TEXT.map(url),
        "title": TEXT.map(checked_title),
        "note": TEXT.map(note_text),
        "tags": st.lists(TEXT, max_size=5).map(normalise_tags),
        "private": st.booleans(),
        "to_read": st.booleans(),
        "notes": st.just("") | TEXT.map(note_text),
        "archived": st.booleans(),
        "created_at": st.datetimes(
            dt.datetime.min,  # noqa: DTZ901 - hypothesis takes bounds without a zone
            dt.datetime.max,  # noqa: DTZ901
            timezones=st.just(dt.UTC),
        ).map(lambda when: when.replace(microsecond=0)),
    }
)
LINKS = st.lists(LINK, max_size=6, unique_by=lambda link: link["url"])


def exported(kind: ExportFormat, pages: list[list[dict[str, Any]]]) -> bytes:
    async def given_pages() -> AsyncIterator[list[dict[str, Any]]]:
        for page in pages:
            yield page

    async def whole() -> bytes:
        return b"".join([piece async for piece in write(WRITERS[kind], given_pages())])

    return asyncio.run(whole())


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=60, deadline=None)
@given(content=LINKS)
def test_every_field_of_every_link_survives(kind: ExportFormat, content: list[dict[str, Any]]) -> None:
    file = exported(kind, [page for page in (content[:2], content[2:]) if page])
    rows, _ = rows_of(file)
    assert [(row.notes, row.archived) for row in rows] == [
        (link["notes"], link["archived"]) for link in content
    ]
    found, skipped = links(file)
    assert skipped == []
    assert found == [
        {
            "url": link["url"],
            "title": link["title"] or link["url"],
            "note": link["note"],
            "tags": link["tags"],
            "private": link["private"],
            "to_read": link["to_read"],
            # Seconds since 1970 are null only at 1970 itself, which the helper prints as it is.
            "created_at": f"{link['created_at']:%FT%TZ}" if link["created_at"].timestamp() else 0,
        }
        for link in content
    ]


@settings(max_examples=60, deadline=None)
@given(content=LINKS)
def test_no_cell_is_a_formula_to_a_spreadsheet(content: list[dict[str, Any]]) -> None:
    text = exported("csv", [content]).decode()
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert len(cells) == 12 * (1 + len(content))
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


@pytest.mark.parametrize(("columns", "title"), [("", "'=1"), (",private", "'=1"), (",private,to_read", "=1")])
def test_only_a_file_of_ours_has_defused_cells(columns: str, title: str) -> None:
    found, _ = links(f"url,title{columns}\nhttp://a.example/,'=1\nhttp://b.example/,'t\n".encode())
    assert [link["title"] for link in found] == [title, "'t"]


@pytest.mark.parametrize("kind", WRITERS)
def test_an_account_without_links_exports_a_file_that_is_read_as_empty(kind: ExportFormat) -> None:
    assert links(exported(kind, [])) == ([], [])


def test_a_netscape_file_is_what_browsers_write() -> None:
    link = {
        "id": 1, "url": "http://a.example/?a=1&b=2", "title": "<T>", "note": "n", "tags": ["x", "y"],
        "private": True, "to_read": False, "created_at": dt.datetime(2020, 9, 13, 12, 26, 40, tzinfo=dt.UTC),
        "notes": "", "archived": False,
    }  # fmt: skip
    text = exported("netscape", [[link]]).decode()
    assert text.startswith("<!DOCTYPE NETSCAPE-Bookmark-file-1>\n")
    assert (
        '    <DT><A HREF="http://a.example/?a=1&amp;b=2" ADD_DATE="1600000000" PRIVATE="1" TOREAD="0"'
        ' TAGS="x,y">&lt;T&gt;</A>\n    <DD>n\n'
    ) in text


def test_notes_stay_text_for_programs_that_know_no_second_one() -> None:
    link = {
        "id": 1, "url": "http://a.example/", "title": "T", "note": "n", "tags": [], "private": False,
        "to_read": False, "created_at": dt.datetime(2020, 9, 13, 12, 26, 40, tzinfo=dt.UTC),
        "notes": "second [text]", "archived": True,
    }  # fmt: skip
    text = exported("netscape", [[link]]).decode()
    assert "<DD>n[linkding-notes]second &#91;text][/linkding-notes]\n" in text
    assert ' ARCHIVED="1" NOTES="apart">' in text
    found, _ = links(text.replace(' NOTES="apart"', "").encode())
    assert found[0]["note"] == "n\n\nsecond [text]"

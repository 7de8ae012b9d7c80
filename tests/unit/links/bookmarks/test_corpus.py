"""The thirteen files of the corpus, field by field, however the bytes arrive."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest

from services.links.bookmarks import files, text
from services.links.bookmarks.merge import Merged, Row
from services.links.bookmarks.model import Options, Skipped

CORPUS = Path(__file__).resolve().parents[3] / "data" / "bookmarks"
EXPECTED: dict[str, Any] = json.loads((CORPUS / "expected.json").read_text())


def rows_of(content: bytes, **options: bool) -> tuple[list[Row], list[Skipped]]:
    """What an import writes of a file: one link for each address, and the entries skipped."""
    merged = Merged()
    _, entries = files.read(io.BytesIO(content), Options(**options))
    for _ in merged.fill(entries):
        pass
    rows = [row for batch in merged.batches() for row in batch]
    merged.close()
    return rows, merged.skipped_entries


def links(content: bytes, **options: bool) -> tuple[list[dict[str, Any]], list[Skipped]]:
    """The same in the form of the corpus."""
    rows, skipped = rows_of(content, **options)
    return [
        {
            "url": row.url,
            "title": row.title,
            "tags": row.tags.split(),
            "private": row.private,
            "to_read": row.to_read,
            "created_at": row.created_at and f"{dt.datetime.fromtimestamp(row.created_at, dt.UTC):%FT%TZ}",
            "note": row.note,
        }
        for row in rows
    ], skipped


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 16])
def test_a_file_becomes_what_is_expected_however_it_is_cut(
    name: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(files, "HEAD_CHARACTERS", 256)
    found, skipped = links((CORPUS / name).read_bytes())
    assert found == EXPECTED[name]["bookmarks"]
    assert [{"url": entry.url, "reason": entry.reason} for entry in skipped] == EXPECTED[name]["skipped"]


def test_every_file_of_the_corpus_has_its_expectation() -> None:
    assert {path.name for path in CORPUS.iterdir()} - {"README.md", ".gitattributes", "expected.json"} == set(
        EXPECTED
    )


def test_folders_can_be_left_out_of_the_tags() -> None:
    found, _ = links((CORPUS / "chrome.html").read_bytes(), folders=False)
    assert {tag for link in found for tag in link["tags"]} == set()
    found, _ = links((CORPUS / "safari.html").read_bytes(), folders=False)
    assert [link["to_read"] for link in found] == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("name", "private"), [("chrome.html", 7), ("delicious.html", 2), ("raindrop.csv", 5)]
)
def test_entries_that_say_nothing_of_privacy_are_as_their_owner_chooses(name: str, private: int) -> None:
    found, _ = links((CORPUS / name).read_bytes(), private=True)
    assert sum(link["private"] for link in found) == private

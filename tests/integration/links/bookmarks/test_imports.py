"""Files sent to the real service, and what the account then holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.links.conftest import AsUser, Execute

pytestmark = pytest.mark.anyio

FIELDS = ("url", "title", "tags", "private", "to_read", "note")


async def send(client: httpx.AsyncClient, content: bytes, key: str = "one", **options: str) -> dict[str, Any]:
    answer = await client.put(f"/api/v1/imports/{key}", content=content, params=options)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def links(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = {}
    while True:
        page = (await client.get("/api/v1/links", params={"limit": "100", **cursor})).json()
        found += page["items"]
        if page["next"] is None:
            return sorted(found, key=lambda link: int(link["id"]))
        cursor = {"cursor": page["next"]}


CORPUS: Path = Path(__file__).resolve().parents[3] / "data" / "bookmarks"
EXPECTED: dict[str, Any] = json.loads((CORPUS / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
async def test_the_links_of_a_file_are_what_the_corpus_expects(as_user: AsUser, name: str) -> None:
    client = as_user(1)
    report = await send(client, (CORPUS / name).read_bytes())
    expected = EXPECTED[name]
    stored = await links(client)
    assert [{field: link[field] for field in FIELDS} for link in stored] == [
        {field: link[field] for field in FIELDS} for link in expected["bookmarks"]
    ]
    for link, wanted in zip(stored, expected["bookmarks"], strict=True):
        assert wanted["created_at"] in (None, link["created_at"])
    assert [
        {"url": entry["url"], "reason": entry["reason"]} for entry in report["contents"]["skipped_entries"]
    ] == expected["skipped"]
    assert report["state"] == "done"
    assert report["added"] == len(expected["bookmarks"])
    assert report["contents"]["skipped"] == len(expected["skipped"])

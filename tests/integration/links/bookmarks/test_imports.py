"""Files sent to the real service, and what the account then holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.links.bookmarks import imports
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
    cursor: dict[str, str] = {}
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


def file_of(count: int, first: int = 0) -> bytes:
    entries = (
        f'<DT><A HREF="http://example.org/{n}" TAGS="t{n % 7}">{n}</A>\n' for n in range(first, first + count)
    )
    return ("<DL>" + "".join(entries)).encode()


async def test_the_same_file_again_changes_nothing(as_user: AsUser) -> None:
    client = as_user(1)
    content = (CORPUS / "firefox.html").read_bytes()
    first = await send(client, content)
    before = await links(client)
    assert await send(client, content) == first
    second = await send(client, content, "two")
    assert (second["added"], second["updated"], second["unchanged"]) == (0, 0, first["added"])
    assert await links(client) == before


async def test_what_is_there_counts_as_the_first_entry(as_user: AsUser) -> None:
    client = as_user(1)
    saved = {"url": "http://a.example/", "title": "Mine", "tags": ["x"], "created_at": "2020-01-01T00:00:00Z"}
    assert (await client.post("/api/v1/links", json=saved)).status_code == 201
    report = await send(
        client,
        b'<DL><DT><A HREF="http://a.example" ADD_DATE="1000000000" TAGS="y" PRIVATE="1">Theirs</A><DD>note',
    )
    assert (report["added"], report["updated"]) == (0, 1)
    (link,) = await links(client)
    assert {name: link[name] for name in (*FIELDS, "created_at", "version")} == {
        "url": "http://a.example/", "title": "Mine", "tags": ["x", "y"], "private": True, "to_read": False,
        "note": "note", "created_at": "2001-09-09T01:46:40Z", "version": 2,
    }  # fmt: skip


async def test_an_import_that_stopped_goes_on_after_its_last_batch(as_user: AsUser, execute: Execute) -> None:
    client = as_user(1)
    content = file_of(2_500)
    await send(client, content)
    # As if the process had died after the first batch, the rest not written yet.
    await execute("DELETE FROM links WHERE url LIKE '%/1___' OR url LIKE '%/2___'")
    await execute(
        "UPDATE imports SET state = 'writing', last_place = 1000, handled = 1000, added = 1000, holder = NULL"
    )
    await execute("UPDATE links SET title = 'seen' WHERE url = 'http://example.org/5'")
    report = await send(client, content)
    assert (report["state"], report["handled"], report["added"], report["unchanged"]) == (
        "done",
        2_500,
        2_500,
        0,
    )
    stored = await links(client)
    assert len(stored) == 2_500
    assert [link["title"] for link in stored][5] == "seen"


async def test_a_key_belongs_to_one_file_and_one_choice_of_options(as_user: AsUser) -> None:
    client = as_user(1)
    await send(client, file_of(1))
    for content, options in ((file_of(2), {}), (file_of(1), {"folders": "false"})):
        refused = await client.put("/api/v1/imports/one", content=content, params=options)
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, "key-reused")
    assert len(await links(client)) == 1


@pytest.mark.parametrize("max_links", [1_200])
async def test_a_full_account_takes_what_fits_and_says_what_it_refused(as_user: AsUser) -> None:
    client = as_user(1)
    await send(client, file_of(100, first=50))
    report = await send(client, file_of(2_500), "two")
    assert (report["added"], report["unchanged"], report["refused"]) == (1_100, 100, 1_300)
    assert report["refused_entries"][0] == {
        "place": 1_201, "url": "http://example.org/1200", "reason": "quota-exceeded",
    }  # fmt: skip
    assert len(report["refused_entries"]) == 1_000
    counts = (await client.get("/api/v1/links/counts")).json()
    assert counts["links"] == 1_200


async def test_nobody_sees_or_touches_the_import_of_another(as_user: AsUser) -> None:
    await send(as_user(1), file_of(3))
    assert (await as_user(2).get("/api/v1/imports/one")).status_code == 404
    assert (await send(as_user(2), file_of(2, first=9)))["added"] == 2
    assert len(await links(as_user(1))) == 3
    assert (await as_user(2).get("/api/v1/exports")).text.count("<A ") == 2
    refused = await as_user(2, "read").put("/api/v1/imports/two", content=file_of(1))
    assert refused.status_code == 403


async def test_one_import_of_an_owner_runs_at_a_time(as_user: AsUser, execute: Execute) -> None:
    client = as_user(1)
    await send(client, file_of(1))
    await execute("UPDATE imports SET lease_until = now() + interval '30 s', holder = gen_random_uuid()")
    refused = await client.put("/api/v1/imports/two", content=file_of(1))
    assert (refused.status_code, refused.json()["key"]) == (409, "one")
    assert (await client.get("/api/v1/imports/one")).json()["running"] is True
    await execute("UPDATE imports SET lease_until = now() - interval '1 s'")
    assert (await send(client, file_of(2), "two"))["added"] == 1


async def test_what_is_no_bookmark_file_is_refused_and_remembered(as_user: AsUser) -> None:
    client = as_user(1)
    refused = await client.put("/api/v1/imports/one", content=b"hello")
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, "unreadable-file")
    state = (await client.get("/api/v1/imports/one")).json()
    assert (state["state"], state["running"], state["problem"]) == ("failed", False, refused.json()["detail"])
    assert (await client.put("/api/v1/imports/a%20b", content=b"")).status_code == 400


@pytest.mark.parametrize("kind", ["netscape", "json", "csv"])
async def test_another_account_gets_the_same_links_from_an_export(as_user: AsUser, kind: str) -> None:
    first, second = as_user(1), as_user(2)
    for name in EXPECTED:
        await send(first, (CORPUS / name).read_bytes(), name)
    exported = await first.get("/api/v1/exports", params={"format": kind})
    assert exported.status_code == 200
    assert "attachment" in exported.headers["content-disposition"]
    await send(second, exported.content)
    compared = (*FIELDS, "created_at")
    mine, theirs = await links(first), await links(second)
    assert len(mine) > 60
    for one, other in zip(mine, theirs, strict=True):
        # Entries without a date have that of their import, which has fractions of a second.
        assert {**{f: one[f] for f in compared}, "created_at": one["created_at"][:19]} == {
            **{f: other[f] for f in compared}, "created_at": other["created_at"][:19],
        }  # fmt: skip


async def test_uploads_that_do_not_end_hold_up_nobody(as_user: AsUser) -> None:
    received, go_on = [asyncio.Event() for _ in range(3)], asyncio.Event()

    async def slow(begun: asyncio.Event) -> AsyncIterator[bytes]:
        yield b"<DL>"
        begun.set()
        await go_on.wait()
        yield file_of(1)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        slow_ones = [
            tasks.create_task(as_user(2 + n).put("/api/v1/imports/one", content=slow(begun)))
            for n, begun in enumerate(received)
        ]
        await asyncio.gather(*(begun.wait() for begun in received))
        assert (await send(as_user(1), file_of(3)))["added"] == 3
        go_on.set()
    assert [task.result().status_code for task in slow_ones] == [200] * 3


async def test_a_received_file_waits_for_its_turn_and_no_longer(
    as_user: AsUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "WAIT_S", 0.2)
    working, go_on = asyncio.Semaphore(0), asyncio.Event()
    write = imports.Imports._write

    async def slow(self: imports.Imports, *arguments: Any) -> None:
        working.release()
        await go_on.wait()
        await write(self, *arguments)

    monkeypatch.setattr(imports.Imports, "_write", slow)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        first = [tasks.create_task(send(as_user(user), file_of(1))) for user in (2, 3)]
        for _ in first:
            await working.acquire()
        refused = await as_user(1).put("/api/v1/imports/one", content=file_of(3))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert (await as_user(1).get("/api/v1/imports/one")).json()["running"] is False
        go_on.set()
    assert (await send(as_user(1), file_of(3)))["added"] == 3

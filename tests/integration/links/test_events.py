"""Every change is an event; what others tell changes links: checks, and accounts that are gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

from services.kit.db import Database, open_pool
from services.kit.settings import Secret, ServiceSettings
from services.links.events import LINK_REMOVED, LINK_SAVED, CheckFinished, LinkRemoved, LinkSaved
from services.links.events_store import EventStore
from tests.integration.links.conftest import AsUser

pytestmark = pytest.mark.anyio
NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_pool(ServiceSettings(database_url=Secret(database_url))) as database:
        yield database


@pytest.fixture
def store(database: Database) -> EventStore:
    return EventStore(database)


async def told(database: Database) -> list[asyncpg.Record]:
    """The events so far, oldest first; they are taken away."""
    rows = await database.fetch("SELECT key, type, data, traceparent FROM outbox ORDER BY sequence")
    await database.execute("DELETE FROM outbox")
    return rows


def changes(rows: list[asyncpg.Record]) -> list[tuple[str, int, int]]:
    """Type, link and version of each event."""
    kinds: dict[str, Any] = {LINK_SAVED: LinkSaved, LINK_REMOVED: LinkRemoved}
    read = [(row["type"], msgspec.json.decode(row["data"], type=kinds[row["type"]])) for row in rows]
    return [(kind, event.id, event.version) for kind, event in read]


async def test_every_way_to_change_links_tells_of_each_link_once(as_user: AsUser, database: Database) -> None:
    ada = as_user(1)
    ids = []
    for name in ("a", "b"):
        saved = await ada.post("/api/v1/links", json={"url": f"https://example.org/{name}", "tags": ["x"]})
        ids.append(saved.json()["id"])
    first, second = ids
    assert changes(await told(database)) == [(LINK_SAVED, first, 1), (LINK_SAVED, second, 1)]

    await ada.post("/api/v1/links", json={"url": "https://example.org/a", "title": "A"})
    await ada.patch(f"/api/v1/links/{second}", json={"private": True})
    assert changes(await told(database)) == [(LINK_SAVED, first, 2), (LINK_SAVED, second, 2)]

    await ada.post("/api/v1/tags/rename", json={"tag": "x", "to": "y"})
    assert changes(await told(database)) == [(LINK_SAVED, first, 3), (LINK_SAVED, second, 3)]

    operations = [{"op": "set", "ids": ids, "to_read": True}, {"op": "delete", "ids": [first]}]
    await ada.post("/api/v1/links/bulk", json={"operations": operations})
    expected = [(LINK_SAVED, first, 4), (LINK_SAVED, second, 4), (LINK_REMOVED, first, 5)]
    assert changes(await told(database)) == expected

    await ada.delete(f"/api/v1/links/{second}")
    assert changes(await told(database)) == [(LINK_REMOVED, second, 5)]
    assert (await ada.delete(f"/api/v1/links/{second}")).status_code == 404
    assert await told(database) == []


async def test_an_event_continues_the_trace_of_its_request(as_user: AsUser, database: Database) -> None:
    ada = as_user(1)
    headers = {"traceparent": TRACEPARENT}
    saved = await ada.post("/api/v1/links", json={"url": "https://example.org/"}, headers=headers)
    await ada.patch(f"/api/v1/links/{saved.json()['id']}", json={"title": "T"}, headers=headers)
    await ada.post("/api/v1/tags/delete", json={"tag": ["x"]}, headers=headers)
    await ada.delete(f"/api/v1/links/{saved.json()['id']}", headers=headers)
    rows = await told(database)
    assert len(rows) == 3
    assert {row["key"] for row in rows} == {1}
    for row in rows:
        assert row["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]


def check(link: dict[str, Any], **changes: Any) -> CheckFinished:
    usual = {"health": "dead", "reason": "http-404", "checked_at": NOW}
    return CheckFinished(owner_id=1, link_id=link["id"], url=link["url"], **{**usual, **changes})


async def test_a_check_is_shown_and_an_older_one_or_one_of_another_address_is_not(
    as_user: AsUser, store: EventStore
) -> None:
    ada = as_user(1)
    link = (await ada.post("/api/v1/links", json={"url": "https://example.org/old"})).json()
    moved = "https://example.org/new"
    await store.set_health(check(link, suggested_url=moved, title="A page"))
    shown = (await ada.get(f"/api/v1/links/{link['id']}")).json()
    assert (shown["health"], shown["health_reason"], shown["suggested_url"]) == ("dead", "http-404", moved)
    assert (shown["title"], shown["updated_at"]) == ("A page", link["updated_at"])

    await store.set_health(check(link, health="alive", checked_at=NOW - dt.timedelta(days=1)))
    assert (await ada.get(f"/api/v1/links/{link['id']}")).json() == shown

    edited = (await ada.patch(f"/api/v1/links/{link['id']}", json={"url": moved})).json()
    assert (edited["health"], edited["health_reason"], edited["suggested_url"]) == ("unknown", "", None)
    await store.set_health(check(link, checked_at=NOW + dt.timedelta(days=1)))
    assert (await ada.get(f"/api/v1/links/{link['id']}")).json() == edited


async def test_a_title_that_somebody_wrote_stays(as_user: AsUser, store: EventStore) -> None:
    ada = as_user(1)
    link = (await ada.post("/api/v1/links", json={"url": "https://example.org/", "title": "Mine"})).json()
    await store.set_health(check(link, health="alive", reason="", title="Theirs"))
    assert (await ada.get(f"/api/v1/links/{link['id']}")).json()["title"] == "Mine"


async def test_nothing_is_left_of_an_account_that_is_gone_and_nothing_comes_again(
    as_user: AsUser, store: EventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.links.events_store.BATCH", 2)
    ada, bob = as_user(1), as_user(2)
    for number in range(5):
        for user in (ada, bob):
            await user.post(
                "/api/v1/links",
                json={"url": f"https://example.org/{number}", "tags": ["t"]},
                headers={"idempotency-key": f"key {number}"},
            )
    await told(database)
    await store.forget_owner(1)
    await store.forget_owner(1)

    assert {kind for kind, _, _ in changes(await told(database))} == {LINK_REMOVED}
    for table in ("links", "link_tags", "link_owners", "imports"):
        assert await database.fetchval(f"SELECT count(*) FROM {table} WHERE owner_id = 1") == 0  # noqa: S608
    assert await database.fetchval("SELECT count(*) FROM idempotency_keys WHERE scope = 'user 1'") == 0
    again = await ada.post("/api/v1/links", json={"url": "https://example.org/again"})
    assert again.status_code == 401
    sent = await ada.put("/api/v1/imports/key", content=b"<!DOCTYPE NETSCAPE-Bookmark-file-1>")
    assert sent.status_code == 401
    assert await database.fetchval("SELECT count(*) FROM link_owners WHERE owner_id = 1") == 0
    assert (await bob.get("/api/v1/links/counts")).json()["links"] == 5


async def test_an_import_tells_of_every_link(as_user: AsUser, database: Database) -> None:
    lines = "".join(f'<DT><A HREF="https://example.org/{number}">n</A>\n' for number in range(3))
    file = f"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p>\n{lines}</DL>"
    done = await as_user(1).put("/api/v1/imports/key", content=file.encode())
    assert done.status_code in (200, 201), done.text
    assert len(changes(await told(database))) == 3
    await as_user(1).put("/api/v1/imports/other", content=file.encode())
    assert await told(database) == []

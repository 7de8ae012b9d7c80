"""A checker whose time, chance and internet a test holds in its hands."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from services.kit.db import Database
from services.link_checker.checking import Checking
from services.link_checker.consuming import host_of
from services.link_checker.domain import Finding, Line, Outcome, Schedule
from services.link_checker.fetching.visits import Visits
from services.link_checker.metrics import Metrics
from services.link_checker.refs_store import RefsStore
from services.link_checker.store import CheckStore
from services.links.client import CHECK_FINISHED, CheckFinished, LinkRemoved, LinkSaved

START = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
URL = "https://example.org/page"
ANSWERED = Outcome(finding=Finding.ANSWERED, status=200, title="A page", description="About it")
MISSING = Outcome(finding=Finding.NOT_FOUND, status=404)


@dataclass
class Clock:
    now: dt.datetime = START

    def __call__(self) -> dt.datetime:
        return self.now


@dataclass
class Internet:
    """What checks find, by address, and which were asked; stands where Visits does."""

    found: dict[str, Outcome] = field(default_factory=dict)
    asked: list[tuple[str, bool]] = field(default_factory=list)

    async def check(self, url: str, *, with_page: bool) -> Outcome:
        self.asked.append((url, with_page))
        return self.found.get(url, ANSWERED)


class World:
    """One database, and what happens to it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.internet = Internet()
        self.refs = RefsStore(database)
        self.store = CheckStore(database)
        self.metrics = Metrics(CollectorRegistry())
        self.checking = self.replica(self.internet)

    def replica(self, visits: Any, line: Line | None = None) -> Checking:
        """Another process that works on the same database."""
        checker: Visits = visits
        return Checking(
            self.store,
            checker,
            Schedule(jitter=0.0),
            self.metrics,
            self.clock,
            places=4,
            line=line or Line(),
        )

    async def save(self, owner: int, link: int, url: str = URL, version: int = 1) -> None:
        saved = LinkSaved(
            id=link,
            owner_id=owner,
            url=url,
            title="",
            note="",
            tags=[],
            private=False,
            health="unknown",
            created_at=START,
            updated_at=START,
            version=version,
        )
        await self.refs.save(saved, host_of(url), self.clock())

    async def remove(self, owner: int, link: int, version: int, url: str = URL) -> None:
        await self.refs.remove(LinkRemoved(link, owner, url, version), self.clock())

    async def told(self) -> list[CheckFinished]:
        """The events so far, in order; they are taken away."""
        rows = await self.database.fetch("SELECT key, type, data FROM outbox ORDER BY sequence")
        await self.database.execute("DELETE FROM outbox")
        events = [msgspec.json.decode(row["data"], type=CheckFinished) for row in rows]
        assert {row["type"] for row in rows} <= {CHECK_FINISHED}
        assert [row["key"] for row in rows] == [event.owner_id for event in events]
        return events

    async def pass_until_due(self) -> None:
        """Time passes until the next check is due."""
        due = await self.database.fetchval("SELECT min(greatest(due_at, free_at)) FROM hosts")
        self.clock.now = max(self.clock.now, due)

    async def check(self) -> list[CheckFinished]:
        """The next check, whenever it is due; what it told."""
        await self.pass_until_due()
        assert await self.checking.round(most=10)
        return await self.told()

    async def count(self, table: str) -> int:
        found: int = await self.database.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        return found

"""`make bench-scale`: p99 of lists, searches and news at 1,000 and at 1,000,000 links, as ratios.

One installation that grows: the same questions are asked of somebody with an ordinary number of links, before
and after the many came; and PostgreSQL is asked how it would answer (EXPLAIN).
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from delinkcious import local
from delinkcious.commands.seed import PASSWORD
from delinkcious.seeding import Shape
from services.links.search.language import parse
from services.links.search.store import SearchStore, default_order
from services.links.selection import Selection
from services.links.store import LinkStore
from tests.bench.__main__ import Installation, installation
from tests.bench.load import Target, get, load

SMALL = Shape(10, 1_000, seed=1)
LARGE = Shape(10_000, 1_000_000, seed=2)
SEARCHES = ("python", "tag:security guide -notes", 'site:example "large data" or mistakes')
CONNECTIONS = 4
SCAN = re.compile(r"(?:Index (?:Only )?Scan(?: Backward)? using|Bitmap Index Scan on) (\w+)")


@dataclass(frozen=True)
class Reader:
    """Somebody with about the average number of links, signed in."""

    id: int
    token: str


def questions() -> Iterator[tuple[str, str]]:
    yield "list", "/api/v1/links?limit=20"
    for text in SEARCHES:
        yield f"search {text}", f"/api/v1/links/search?q={quote(text)}"
    yield "news", "/api/v1/news?limit=20"


def reader(url: str, trust: ssl.SSLContext, shape: Shape) -> Reader:
    average = shape.links // shape.users
    counts = shape.owners()
    number = min(range(len(counts)), key=lambda user: abs(counts[user] - average))
    body = {"username": shape.usernames()[number], "password": PASSWORD}
    with httpx.Client(base_url=url, verify=trust, timeout=30) as client:
        session = client.post("/api/v1/sessions", json=body).raise_for_status().json()
        headers = {"authorization": f"Bearer {session['access_token']}"}
        return Reader(client.get("/api/v1/users/me", headers=headers).json()["id"], session["access_token"])


def measure(url: str, trust: ssl.SSLContext, who: Reader, seconds: float) -> dict[str, float]:
    """p99 in milliseconds by question."""
    edge = urlsplit(url)
    assert edge.hostname and edge.port
    found = {}
    for name, path in questions():
        request = get(path, edge.netloc, [("authorization", f"Bearer {who.token}")])
        target = Target(name, edge.hostname, edge.port, request, trust)
        asyncio.run(load(target, connections=CONNECTIONS, seconds=1.0))
        result = asyncio.run(load(target, connections=CONNECTIONS, seconds=seconds))
        if set(result.statuses) != {200}:
            raise SystemExit(f"{name}: not every answer was 200: {dict(result.statuses)}")
        found[name] = result.quantile_ms(0.99)
    return found


class Explaining:
    """A database that explains what it is asked, and answers nothing."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    @asynccontextmanager
    async def transaction(self, **_: object) -> AsyncIterator[Explaining]:
        yield self

    async def execute(self, *_: object) -> None:
        """What bounds a statement's time bounds no explanation."""

    async def fetch(self, sql: str, *arguments: object) -> list[Any]:
        rows = await self._connection.fetch(f"EXPLAIN {sql}", *arguments)
        self.plans.append("\n".join(row[0] for row in rows))
        return []


async def explain(database: str, owner_id: int) -> dict[str, str]:
    """Which indexes PostgreSQL would use for the list and each search."""
    connection = await asyncpg.connect(database)
    try:
        found = {}
        for name, ask in {"list": None, **{f"search {text}": text for text in SEARCHES}}.items():
            explaining: Any = Explaining(connection)
            if ask is None:
                await LinkStore(explaining, max_links=1).page(owner_id, Selection(), "newest", None, 20)
            else:
                node, now = parse(ask), dt.datetime.now(dt.UTC)
                await SearchStore(explaining).page(owner_id, node, default_order(node), None, 20, now)
            plan = "\n".join(explaining.plans)
            scans = re.findall(
                r"(?:Index (?:Only )?Scan(?: Backward)? using|Bitmap Index Scan on) (\w+)", plan
            )
            found[name] = ", ".join(sorted(set(scans))) + (" SEQ SCAN" if "Seq Scan on links" in plan else "")
        return found
    finally:
        await connection.close()


def grow(running: Installation, shape: Shape) -> float:
    """Seed, rebuild the timelines, let PostgreSQL look at its tables; seconds of the seeding."""
    began = time.perf_counter()
    running.call("seed", "--users", str(shape.users), "--links", str(shape.links), "--seed", str(shape.seed))
    took = time.perf_counter() - began
    running.call("news", "rebuild")
    asyncio.run(_analyse(local.database_url("links", running.state).reveal()))
    return took


async def _analyse(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("VACUUM ANALYZE links")
    await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each question")
    parser.add_argument("--links", type=int, default=LARGE.links)
    parser.add_argument("--users", type=int, default=LARGE.users)
    chosen = parser.parse_args()
    large = Shape(chosen.users, chosen.links, LARGE.seed)
    with installation() as running:
        url = running.call("url").strip()
        trust = ssl.create_default_context(cafile=running.call("ca").strip())
        trust.set_alpn_protocols(["http/1.1"])
        grow(running, SMALL)
        before = measure(url, trust, reader(url, trust, SMALL), chosen.seconds)
        took = grow(running, large)
        print(f"{large.links:,} links of {large.users:,} people in {took:.0f} s", file=sys.stderr)
        who = reader(url, trust, large)
        after = measure(url, trust, who, chosen.seconds)
        plans = asyncio.run(explain(local.database_url("links", running.state).reveal(), who.id))
    table = Table("question", f"p99 ms at {SMALL.links:,}", f"at {large.links:,}", "ratio", "by", box=None)
    for name in before:
        ratio = f"{after[name] / before[name]:.2f}"
        table.add_row(name, f"{before[name]:.1f}", f"{after[name]:.1f}", ratio, plans.get(name, ""))
    Console().print(table)
    print(json.dumps({"seed_s": round(took), "before_ms": before, "after_ms": after, "plans": plans}))


if __name__ == "__main__":
    main()

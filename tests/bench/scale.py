"""`make bench-scale`: p99 of lists, searches and news at 1,000 and at 1,000,000 links, as ratios.

Two installations run side by side, and in every round the same question is asked of both, one after the
other, so that whatever else the machine does meets both alike: the figure is the median of the rounds.
Who asks has an ordinary number of links, the same in both. PostgreSQL is asked how it would answer (EXPLAIN).
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import re
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
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
from tests.bench.load import Result, Target, get, load
from tests.bench.running import Installation, installation

SMALL = Shape(10, 1_000, seed=1)
LARGE = Shape(10_000, 1_000_000, seed=2)
SEARCHES = ("python", "tag:security guide -notes", 'site:example "large data" or mistakes')
CONNECTIONS = 4
# A million links on a busy machine.
FILLED_WITHIN_S = 1_800.0
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


@dataclass(frozen=True)
class Side:
    """One of the two installations, and who asks there."""

    url: str
    trust: ssl.SSLContext
    who: Reader

    def target(self, name: str, path: str) -> Target:
        edge = urlsplit(self.url)
        assert edge.hostname and edge.port
        request = get(path, edge.netloc, [("authorization", f"Bearer {self.who.token}")])
        return Target(name, edge.hostname, edge.port, request, self.trust)


def side(running: Installation, shape: Shape) -> Side:
    url = running.url
    trust = running.trust()
    return Side(url, trust, reader(url, trust, shape))


def ask(target: Target, seconds: float) -> Result:
    result = asyncio.run(load(target, connections=CONNECTIONS, seconds=seconds))
    if set(result.statuses) != {200}:
        raise SystemExit(f"{target.name}: not every answer was 200: {dict(result.statuses)}")
    return result


@dataclass
class Figures:
    """The rounds of one question: (small, large) of each, milliseconds."""

    p50: list[tuple[float, float]] = field(default_factory=list)
    p99: list[tuple[float, float]] = field(default_factory=list)


def ratio(pairs: list[tuple[float, float]]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(large / small for small, large in pairs)


def measure(small: Side, large: Side, rounds: int, seconds: float) -> dict[str, Figures]:
    """Both sides in turn, the one first that was second in the round before."""
    found: dict[str, Figures] = {}
    for number in range(rounds + 1):
        sides = (small, large) if number % 2 else (large, small)
        for name, path in questions():
            results = {one.url: ask(one.target(name, path), seconds) for one in sides}
            if number == 0:  # everything is warm from now on
                continue
            both = (results[small.url], results[large.url])
            figures = found.setdefault(name, Figures())
            figures.p50.append((both[0].quantile_ms(0.5), both[1].quantile_ms(0.5)))
            figures.p99.append((both[0].quantile_ms(0.99), both[1].quantile_ms(0.99)))
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
            scans = SCAN.findall(plan)
            found[name] = ", ".join(sorted(set(scans))) + (" SEQ SCAN" if "Seq Scan on links" in plan else "")
        return found
    finally:
        await connection.close()


def fill(running: Installation, shape: Shape) -> float:
    """Seed, build the timelines, let PostgreSQL look at its tables; seconds of the seeding."""
    size = ("--users", str(shape.users), "--links", str(shape.links), "--seed", str(shape.seed))
    began = time.perf_counter()
    running.call("seed", *size, timeout_s=FILLED_WITHIN_S)
    took = time.perf_counter() - began
    print(f"{shape.links:,} links: {took:.0f} s, {shape.links / took:,.0f} a second", file=sys.stderr)
    print(running.call("news", "rebuild", timeout_s=FILLED_WITHIN_S).strip(), file=sys.stderr)
    asyncio.run(_analyse(local.database_url("links", running.state).reveal()))
    return took


async def _analyse(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("VACUUM ANALYZE links")
    await connection.close()


def show(found: dict[str, Figures], plans: dict[str, str], links: int) -> None:
    """The medians over the rounds, and of the rounds' ratios."""
    small, large = f"at {SMALL.links:,}", f"at {links:,}"
    table = Table("question", f"p99 ms {small}", large, "ratio of p99", "of p50", box=None)
    for name, figures in found.items():
        p99 = [f"{statistics.median(values):.1f}" for values in zip(*figures.p99, strict=True)]
        ratios = [f"{ratio(pairs):.2f}" for pairs in (figures.p99, figures.p50)]
        table.add_row(name, *p99, *ratios)
    Console().print(table)
    for name, indexes in plans.items():
        print(f"{name} by {indexes}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each question, in each round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--links", type=int, default=LARGE.links)
    parser.add_argument("--users", type=int, default=LARGE.users)
    chosen = parser.parse_args()
    shape = Shape(chosen.users, chosen.links, LARGE.seed)
    with installation("--no-tools") as few, installation("--no-tools") as many:
        fill(few, SMALL)
        took = fill(many, shape)
        small, large = side(few, SMALL), side(many, shape)
        found = measure(small, large, chosen.rounds, chosen.seconds)
        plans = asyncio.run(explain(local.database_url("links", many.state).reveal(), large.who.id))
    show(found, plans, shape.links)
    ratios = {name: round(ratio(figures.p99), 2) for name, figures in found.items()}
    print(json.dumps({"seed_s": round(took), "ratios_of_p99": ratios, "plans": plans}))


if __name__ == "__main__":
    main()

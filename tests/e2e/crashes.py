"""Kills at random, while people save links and follow each other; and what must hold afterwards."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle, islice

import httpx
import psutil

from tests.e2e.installation import Account, Installation, Json, eventually, pid_of
from tests.e2e.traffic import PASSING

# The deadline of one action: everything that was killed is back long before.
GIVEN_UP_AFTER_S = 120.0
AGAIN_AFTER_S = 0.1
BACK_WITHIN_S = 60.0
SETTLED_WITHIN_S = 180.0
WRITERS = 4
PAGE = 100


def pod_process(workload: str, container: str) -> Callable[[Installation], int | None]:
    def find(installation: Installation) -> int | None:
        pods = [pod for pod in installation.pods() if pod["workload"] == workload]
        pids = [found["pid"] for pod in pods for found in pod["containers"] if found["name"] == container]
        return pids[0] if pids else None

    return find


def companion(program: str) -> Callable[[Installation], int | None]:
    """A store: its oldest process, which the others are children of."""

    def find(installation: Installation) -> int | None:
        found = [process for process in installation.processes() if process.name() == program]
        return min(found, key=lambda process: process.create_time()).pid if found else None

    return find


# The relays run in the processes of those who publish, the consumers in those of news and social-graph.
VICTIMS: dict[str, Callable[[Installation], int | None]] = {
    "links (relay)": pod_process("links-v1", "links"),
    "social-graph (relay, consumer)": pod_process("social-graph-v1", "social-graph"),
    "news (consumer)": pod_process("news-v1", "news"),
    "NATS": companion("nats-server"),
    "Redis": companion("redis-server"),
    "PostgreSQL": companion("postgres"),
}


@dataclass
class History:
    """What was acknowledged: links by author, and who follows whom (names)."""

    saved: dict[str, list[str]] = field(default_factory=dict)
    follows: dict[str, list[str]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    retries: int = 0


@dataclass(frozen=True)
class Actors:
    """People who only save, and people who follow two of those each."""

    authors: list[Account]
    readers: list[Account]

    def followed_by(self, number: int) -> list[Account]:
        return list(islice(cycle(self.authors), 2 * number, 2 * number + 2))


class Drama:
    """Runs the actions and the kills at the same time."""

    def __init__(self, installation: Installation, actors: Actors, seed: int) -> None:
        self.history = History()
        self._installation = installation
        self._actors = actors
        self._dice = random.Random(seed)  # noqa: S311 - which process dies next
        self._done = 0

    def run(self, saves: int, kills: int) -> History:
        """`saves` links in all, spread over the authors, and `kills` kills spread over that time."""
        asyncio.run(self._run(saves, kills))
        return self.history

    async def _run(self, saves: int, kills: int) -> None:
        base, trusted = self._installation.url, self._installation.trusted
        total = saves + 2 * len(self._actors.readers)
        actions = self._actions(saves)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WRITERS):
                tasks.create_task(self._act(base, trusted, actions))
            tasks.create_task(asyncio.to_thread(self._kill_all, total, kills))

    def _actions(self, saves: int) -> list[tuple[Account, str, str]]:
        """(who, what, about): the follows are spread among the saves, in an order drawn once."""
        who = cycle(self._actors.authors)
        found = [(next(who), "save", f"https://example.org/{uuid.uuid4()}") for _ in range(saves)]
        for number, reader in enumerate(self._actors.readers):
            found += [(reader, "follow", author.name) for author in self._actors.followed_by(number)]
        self._dice.shuffle(found)
        return found[::-1]

    async def _act(self, base: str, trusted: ssl.SSLContext, actions: list[tuple[Account, str, str]]) -> None:
        async with httpx.AsyncClient(base_url=base, verify=trusted, trust_env=False, timeout=30) as session:
            while actions:
                account, what, about = actions.pop()
                await self._until_acknowledged(session, account, what, about)
                self._done += 1

    async def _until_acknowledged(
        self, session: httpx.AsyncClient, account: Account, what: str, about: str
    ) -> None:
        headers = {**account.headers, "idempotency-key": uuid.uuid4().hex}
        deadline = time.monotonic() + GIVEN_UP_AFTER_S
        while True:
            assert time.monotonic() < deadline, f"{what} {about}: never acknowledged"
            try:
                if what == "save":
                    answer = await session.post("/api/v1/links", json={"url": about}, headers=headers)
                else:
                    answer = await session.put(f"/api/v1/following/{about}", headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                kept = self.history.saved if what == "save" else self.history.follows
                kept.setdefault(account.name, []).append(about)
                return
            assert answer is None or answer.status_code in PASSING, answer.text
            self.history.retries += 1
            await asyncio.sleep(AGAIN_AFTER_S)

    def _kill_all(self, total: int, kills: int) -> None:
        for number in range(kills):
            # Spread over the actions, however fast those are.
            due = total * number // kills
            eventually(lambda due=due: self._done >= due or self._done >= total, GIVEN_UP_AFTER_S, "progress")  # type: ignore[misc]
            name = self._dice.choice(sorted(VICTIMS))
            find = VICTIMS[name]
            pid = eventually(lambda find=find: find(self._installation), BACK_WITHIN_S, f"{name} runs")  # type: ignore[misc]
            try:
                psutil.Process(pid).kill()
            except psutil.NoSuchProcess:
                continue
            self.history.kills[name] += 1


def settled(installation: Installation) -> bool:
    """Whether every pod is ready, every event is published and every consumer has handled all."""
    if not all(pod["ready"] for pod in installation.pods()):
        return False
    try:
        for workload in ("links-v1", "social-graph-v1", "users-v1"):
            if metric(installation.pod(workload), "outbox_rows") != 0:
                return False
    except (psutil.Error, httpx.TransportError):
        return False  # it was killed just now, and is ready as far as the mesh has noticed
    status = installation.run("events", "status", "-o", "json", "--state", str(installation.state))
    if status.returncode != 0:
        return False
    found: Json = httpx.Response(200, text=status.stdout).json()
    return all(consumer["pending"] == 0 for consumer in found["consumers"].values())


def metric(pod: Json, name: str) -> float | None:
    """A metric without labels of the process of a pod."""
    environment = psutil.Process(pid_of(pod, pod["labels"]["app"])).environ()
    address = f"http://{environment['HOST']}:{environment.get('METRICS_PORT', '9090')}/metrics"
    text = httpx.get(address, trust_env=False).text
    for line in text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    return None


def news_of(edge: httpx.Client, account: Account) -> list[str]:
    """The addresses in somebody's news, page by page."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": str(PAGE), **({"cursor": cursor} if cursor else {})}
        page = edge.get("/api/v1/news", params=query, headers=account.headers).raise_for_status().json()
        found += [item["url"] for item in page["items"]]
        cursor = page["next"] or None
    return found

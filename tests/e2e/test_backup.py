"""Save, back up while people go on, lose everything, restore: it is there, and everybody hears of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import asyncpg
import httpx
import pytest

from delinkcious import local
from tests.e2e.installation import NAMESPACE, Account, Installation, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HEARD_WITHIN_S = 60.0
LINKS = 20


@pytest.fixture
def own(repository: Path, tmp_path: Path) -> Iterator[Installation]:
    """An installation to lose."""
    made = Installation(repository, tmp_path / "own")
    try:
        made.up()
        yield made
    finally:
        made.run("down", "--state", str(made.state))


def save(edge: httpx.Client, account: Account, url: str) -> None:
    saved = edge.post("/api/v1/links", json={"url": url, "title": url}, headers=account.headers)
    assert saved.status_code in (200, 201), saved.text


def urls(edge: httpx.Client, path: str, account: Account, member: str = "url") -> set[str]:
    found = edge.get(path, params={"limit": 100}, headers=account.headers)
    return {item[member] for item in found.json()["items"]} if found.status_code == 200 else set()


def checked(installation: Installation) -> set[str]:
    """The addresses that the link checker has heard of."""

    async def fetch() -> set[str]:
        connection = await asyncpg.connect(local.database_url("link-checker", installation.state).reveal())
        try:
            return {row["url"] for row in await connection.fetch("SELECT url FROM urls")}
        finally:
            await connection.close()

    return asyncio.run(fetch())


def scale(installation: Installation, workload: str, count: int) -> None:
    target = f"deployment/{workload}"
    installation.told("mesh", "scale", target, "--replicas", str(count), "-n", NAMESPACE)


def saving_on(installation: Installation, account: Account, enough: Event) -> int:
    """Somebody else goes on saving; every answer is a success."""
    number = 0
    with installation.edge() as edge:
        while not enough.is_set():
            number += 1
            save(edge, account, f"https://meanwhile.example/{number}")
    return number


def test_what_was_saved_survives_the_loss_of_everything(own: Installation, tmp_path: Path) -> None:
    ada, grace, busy = (own.account() for _ in range(3))
    file = tmp_path / "backup.tar"
    with own.edge() as edge:
        followed = edge.put(f"/api/v1/following/{ada.name}", headers=grace.headers)
        assert followed.is_success, followed.text
        scale(own, "link-checker-v1", 0)  # so that some events are under way
        wanted = {f"https://kept.example/{number}" for number in range(LINKS)}
        for url in sorted(wanted):
            save(edge, ada, url)
        assert not checked(own) & wanted
        enough = Event()
        with ThreadPoolExecutor(1) as pool:
            saving = pool.submit(saving_on, own, busy, enough)
            try:
                told = own.told("backup", str(file))
            finally:
                enough.set()
            assert saving.result() > 0
        assert "5 databases" in told
        save(edge, ada, "https://later.example/")
    scale(own, "link-checker-v1", 1)

    busy_restore = own.run("restore", str(file), "--yes", "--state", str(own.state))
    assert busy_restore.returncode == 1
    assert "already runs" in busy_restore.stderr
    own.told("down")
    shutil.rmtree(own.state)
    assert "Restored as of" in own.told("restore", str(file), "--yes")
    own.__dict__.pop("trusted", None)  # a new authority, and perhaps another address
    own.__dict__.pop("url", None)
    own.up()

    with own.edge() as edge:
        assert urls(edge, "/api/v1/links", ada) == wanted  # signed in as before, without what came later
        eventually(lambda: wanted <= checked(own), HEARD_WITHIN_S, "the checker has heard of every link")
        eventually(
            lambda: wanted <= urls(edge, "/api/v1/news", grace), HEARD_WITHIN_S, "the news are built again"
        )
        kept = urls(edge, "/api/v1/links", busy)
        eventually(lambda: kept <= checked(own), HEARD_WITHIN_S, "also of those that were saved meanwhile")
        save(edge, ada, "https://new.example/")
        eventually(
            lambda: "https://new.example/" in urls(edge, "/api/v1/news", grace),
            HEARD_WITHIN_S,
            "life goes on",
        )

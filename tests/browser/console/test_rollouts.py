"""Rollouts on the console: what a journal tells is seen at once, on every screen, and obeyed by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.async_api import expect

from mesh.canary.runs.journal import Journal
from mesh.console.settings import Settings
from tests.browser.conftest import Screen
from tests.browser.console.conftest import served
from tests.chromium import PATIENCE_MS
from tests.unit.mesh.canary.runs import journals

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(300),
    pytest.mark.parametrize(
        "size", ["desktop", pytest.param("phone", marks=pytest.mark.slow)], indirect=True
    ),
]

EVIL = "<img src=x onerror=alert(1)>\u202e`x`"
RUNS = {name: f"20261126-12{number:02d}00-0a1b" for number, name in enumerate(journals.SCRIPTS)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a run of each kind, and no mesh: journals are all that this needs."""
    state = tmp_path_factory.mktemp("rollouts")
    for name, run in RUNS.items():
        journals.write(state / "canary", name, run)
    return state


@pytest.fixture(scope="module")
def console(runs: Path) -> Iterator[str]:
    with served(Settings(state=runs, host="127.0.0.1")) as url:
        yield url


async def test_runs_are_listed_the_newest_first(screen: Screen) -> None:
    await screen.open("/canary/")
    rows = screen.page.locator("table.runs tbody tr")
    await expect(rows).to_have_count(len(RUNS))
    await expect(screen.page.locator("#state")).to_have_text("2 rollouts going on: links, links")
    await expect(rows.last).to_contain_text("promoted")
    await expect(rows.last).to_contain_text("9,461")
    await expect(screen.page.get_by_role("link", name="Canary")).to_have_attribute("aria-current", "page")
    await screen.check("console-rollouts")
    await rows.last.get_by_role("link").click()
    await screen.page.wait_for_url(f"**/canary/runs/{RUNS['promoted']}")


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, "light") for name in RUNS] + [(name, "dark") for name in ("rolled_back", "overwritten")],
)
async def test_a_run_is_drawn_and_said(screen: Screen, name: str, scheme: Literal["light", "dark"]) -> None:
    await screen.page.emulate_media(color_scheme=scheme)
    await screen.open(f"/canary/runs/{RUNS[name]}")
    await expect(screen.page.locator("h1")).to_contain_text("links v2")
    plots = screen.page.locator(".plot > svg")
    await expect(plots).to_have_count(5)
    evidence = screen.page.get_by_role("img", name="Evidence against v2")
    await expect(evidence).to_contain_text("10: held")
    await expect(evidence).to_contain_text("100: rolled back")
    await screen.check(f"console-rollout-{name}-{scheme}")


async def test_a_run_is_followed_to_its_end(screen: Screen, runs: Path) -> None:
    run = f"20261126-13000{'0' if screen.size == 'desktop' else '1'}-0a1b"
    happened = list(journals.Writer(journals.SCRIPTS["rolled_back"], run).events())
    path = runs / "canary" / "delinkcious" / "links" / f"{run}.jsonl"
    journal = Journal(path)
    for event in happened[:9]:
        journal.append(event)
    await screen.open(f"/canary/runs/{run}")
    waits = screen.page.locator(".waits")
    await expect(waits).to_be_visible()
    for event in happened[9:]:
        journal.append(event)
    journal.close()
    state = screen.page.locator("#state")
    await expect(state).to_have_text(
        "Rolled back: the canary is worse than stable: errors", timeout=PATIENCE_MS
    )
    await expect(waits).to_have_count(0)
    await screen.check("console-rollout-followed")
    path.unlink()


async def test_what_others_wrote_is_shown_and_not_obeyed(screen: Screen, runs: Path) -> None:
    run = "20261126-140000-0a1b"
    script = replace(journals.SCRIPTS["promoted"], by=EVIL, changed=(EVIL,))
    path = runs / "canary" / "delinkcious" / "links" / f"{run}.jsonl"
    journals.written(path, list(journals.Writer(script, run).events()))
    try:
        await screen.open(f"/canary/runs/{run}")
        await expect(screen.page.locator(".prose")).to_contain_text("<img src=x onerror=alert(1)>")
        await expect(screen.page.locator("img[src=x]")).to_have_count(0)
        await screen.check("console-rollout-hostile")
    finally:
        path.unlink()


async def test_a_run_that_is_none_or_damaged_is_said(screen: Screen, runs: Path) -> None:
    path = runs / "canary" / "delinkcious" / "links" / "20261126-150000-0a1b.jsonl"
    path.write_bytes(b"\x00\xff\n")
    try:
        await screen.open("/canary/")
        await expect(screen.page.locator(".away:visible")).to_have_text(
            "The journal of run 20261126-150000-0a1b cannot be read."
        )
        await screen.open("/canary/runs/20261126-150000-0a1b")
        await expect(screen.page.locator(".away")).to_contain_text("cannot be read")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{screen.url}/canary/runs/none")).status_code == 404
    finally:
        path.unlink()

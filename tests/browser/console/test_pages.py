"""Traces, logs and alerts: found, readable, linked with each other; strangers are kept out."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Screen
from tests.browser.console.stand import TRACE
from tests.chromium import PATIENCE_MS
from tests.mesh.runtime.conftest import Running, until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(300),
    pytest.mark.parametrize(
        "size", ["desktop", pytest.param("phone", marks=pytest.mark.slow)], indirect=True
    ),
]


async def test_a_trace_is_searched_and_read_by_keyboard(screen: Screen) -> None:
    page = screen.page
    await screen.open("/traces/")
    await page.get_by_label("Service").select_option("links")
    await page.get_by_label("with errors").check()
    await page.get_by_role("button", name="Search").click()
    found = page.locator("a.trace")
    await expect(found).to_have_count(1)
    await expect(found).to_contain_text("POST /api/v1/links 201")
    await expect(found).to_contain_text("ingressgateway.istio-system")
    await screen.check("console-traces")
    await found.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/traces/{TRACE}")
    rows = page.locator(".waterfall summary")
    await expect(rows).to_have_count(10)
    await screen.check("console-trace")
    if screen.size == "desktop":
        await _apart(page.locator(".ticks .bars span"))
    row = page.locator(".waterfall details", has_text="SELECT users").last
    await row.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(row).to_contain_text("a row is missing")
    await expect(row).to_contain_text("exception.type: NotFound")
    await expect(row.get_by_role("link", name="Log lines of users")).to_be_visible()
    await screen.check("console-trace-span")


async def _apart(words: Locator) -> None:
    """That words of a line stand clear of each other."""
    boxes = [box for word in await words.all() if (box := await word.bounding_box())]
    assert len(boxes) == 5
    for left, right in pairwise(boxes):
        assert left["x"] + left["width"] < right["x"]


async def test_a_search_that_is_none_says_which_field(screen: Screen) -> None:
    await screen.open("/traces/?min=soon")
    await expect(screen.page.locator(".away")).to_have_text(
        "Longer than: 'soon' is no number of milliseconds."
    )
    await screen.open("/traces/?tags=status")
    await expect(screen.page.locator(".away")).to_contain_text("name=value")
    await screen.open("/traces/0123")
    await expect(screen.page.locator(".away")).to_contain_text("32 hexadecimal digits")
    await screen.check("console-wrong")


async def test_alerts_stand_by_urgency(screen: Screen) -> None:
    await screen.open("/alerts/")
    await expect(screen.page.locator("#state")).to_have_text("2 firing, 1 pending")
    alerts = screen.page.locator(".alerts li")
    # An alert has the annotations that somebody gave it: two, one, none.
    await expect(alerts).to_have_count(3)
    await expect(alerts.nth(0)).to_contain_text("BareAlert")
    await expect(alerts.nth(1)).to_contain_text("LinksErrorBudgetBurns")
    await expect(alerts.nth(1)).to_contain_text("Links fails 8 % of its requests")
    await expect(alerts.nth(1)).to_contain_text("Saving is answered.")
    await expect(alerts.nth(2)).to_contain_text("Events wait for the broker")
    quiet = screen.page.get_by_role("region", name="Quiet ones")
    await expect(quiet).to_contain_text("<app> waits …")
    await expect(quiet).to_contain_text("<slo>: spent 6 times too fast")
    await expect(quiet).to_contain_text("for each of 2 objectives: links-availability, users-availability")
    await screen.check("console-alerts")


def _change(mesh: Running) -> None:
    """Let one more alert fire, or no longer."""
    pods = mesh.client.get("/get/pods", namespace="observability")
    address = next(pod["ports"]["9090"] for pod in pods if pod["workload"] == "prometheus")
    assert httpx.get(f"http://{address}/change").is_success


async def test_alerts_follow_what_fires(screen: Screen, mesh: Running) -> None:
    await screen.open("/alerts/")
    state = screen.page.locator("#state")
    await expect(state).to_have_text("2 firing, 1 pending")
    _change(mesh)
    try:
        await expect(state).to_have_text("3 firing, 1 pending", timeout=PATIENCE_MS)
        await expect(screen.page.locator(".alerts")).to_contain_text("Now it fires")
        await screen.check("console-alerts-followed")
    finally:
        _change(mesh)
    await expect(state).to_have_text("2 firing, 1 pending", timeout=PATIENCE_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_runbook_can_be_read(screen: Screen, scheme: Literal["light", "dark"]) -> None:
    await screen.page.emulate_media(color_scheme=scheme)
    await screen.open("/alerts/runbooks/AvailabilityBurn.md")
    await expect(screen.page.locator("h1")).to_have_text("AvailabilityBurn")
    await screen.check(f"console-runbook-{scheme}")


def _written(mesh: Running, service: str, *lines: dict[str, str]) -> Path:
    folder = mesh.state.pods / "default" / f"{service}-0123-0" / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "app.log"
    file.write_text("".join(json.dumps({"service": service, **line}) + "\n" for line in lines))
    return file


async def test_logs_of_a_trace_are_one_story(screen: Screen, mesh: Running) -> None:
    common = {"trace_id": TRACE, "level": "info"}
    _written(
        mesh,
        "news",
        {**common, "time": "2026-01-02T03:04:05.300Z", "event": "timeline written"},
        {"time": "2026-01-02T03:04:06Z", "level": "info", "event": "of another request"},
    )
    _written(
        mesh,
        "links",
        {
            **common,
            "time": "2026-01-02T03:04:05.100Z",
            "event": "<b>link saved</b>",
            "route": "/api/v1/links",
        },
        {**common, "time": "2026-01-02T03:04:05.200Z", "level": "error", "event": "publishing failed"},
    )
    page = screen.page
    await screen.open(f"/logs/?trace={TRACE}")
    lines = page.locator("table.log tbody tr")
    await expect(lines).to_have_count(3)
    await expect(lines.first).to_contain_text("timeline written")
    await expect(lines.last).to_contain_text("<b>link saved</b>")
    await screen.check("console-logs")
    await _whole(screen)
    await page.get_by_label("Level").select_option("error")
    await page.get_by_role("button", name="Show").click()
    await expect(lines).to_have_count(1)
    await page.get_by_role("link", name=f"The trace {TRACE[:8]}").click()
    await page.wait_for_url(f"**/traces/{TRACE}")


async def _whole(screen: Screen) -> None:
    """That nothing has to be moved to read what happened."""
    told = "region => region.scrollWidth - region.clientWidth"
    assert await screen.page.get_by_role("region", name="Lines").evaluate(told) <= 0


async def test_many_lines_are_read_page_by_page(screen: Screen, mesh: Running) -> None:
    times = [f"2026-01-02T03:04:{second:02d}Z" for second in range(50) for _ in range(3)]
    long = "x" * 5_000
    lines = ({"time": at, "event": f"line {n}.", "detail": long} for n, at in enumerate(times))
    _written(mesh, "counting", *lines)
    page = screen.page
    await screen.open("/logs/?service=counting-0123-0")
    events = page.locator("table.log .event")
    assert await events.all_inner_texts() == [f"line {n}." for n in reversed(range(50, 150))]
    await _whole(screen)
    # What is long is folded up, or the page would have no end.
    height = await page.evaluate("document.documentElement.scrollHeight")
    assert height < 100 * 130
    await page.locator("details.folded summary").first.click()
    await expect(page.locator("details.folded div").first).to_be_visible()
    await screen.check("console-logs-many")
    await page.get_by_role("link", name="Older lines").click()
    await expect(events.first).to_have_text("line 49.")
    assert await events.all_inner_texts() == [f"line {n}." for n in reversed(range(50))]
    await expect(page.get_by_role("link", name="Older lines")).to_have_count(0)
    await page.get_by_role("link", name="The newest").click()
    await expect(events.first).to_have_text("line 149.")
    await screen.open("/logs/?until=soon")
    await expect(page.locator(".away")).to_have_text("Until: 'soon' is no time in seconds.")


async def test_what_is_not_there_yet_is_said(screen: Screen, mesh: Running) -> None:
    target = {"namespace": "observability", "name": "jaeger"}
    mesh.client.post("/scale", {**target, "replicas": 0})
    try:
        until(lambda: "is not part of" in httpx.get(f"{screen.url}/traces/").text)
        await screen.open("/traces/")
        await expect(screen.page.locator(".away")).to_contain_text("Jaeger is not part of what runs here.")
        await screen.check("console-away")
    finally:
        mesh.client.post("/scale", {**target, "replicas": 1})
    until(lambda: "POST /api/v1/links" in httpx.get(f"{screen.url}/traces/").text)


async def test_other_sites_can_neither_read_nor_drive_it(screen: Screen) -> None:
    page = screen.page
    # A page of another origin, which knows the address.
    await page.goto("data:text/html,<title>elsewhere</title>")
    told = await page.evaluate(
        """async (url) => {
          const tries = [fetch(url), fetch(url, {mode: "no-cors"}), fetch(url + "/live")];
          const done = await Promise.allSettled(tries);
          return done.map((one) => one.status === "rejected" ? "refused" : one.value.type + one.value.status);
        }""",
        screen.url,
    )
    assert "basic200" not in told
    assert told[0] == told[2] == "refused"
    strange = ({"host": "evil.example"}, {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"})
    async with httpx.AsyncClient() as client:
        for headers in strange:
            assert (await client.get(screen.url, headers=headers)).status_code in (403, 421)
        assert (await client.post(f"{screen.url}/", content="x")).status_code == 405

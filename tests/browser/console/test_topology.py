"""The picture follows the mesh: edits, pods that die and come back, requests and their errors."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time

import pytest
import yaml
from playwright.async_api import Error, Locator, Route, expect

from tests.browser.conftest import Screen
from tests.mesh.runtime.conftest import Running
from tests.mesh.runtime.manifests import Manifests

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(300),
    pytest.mark.parametrize(
        "size", ["desktop", pytest.param("phone", marks=pytest.mark.slow)], indirect=True
    ),
]

# What an edit may take from the file to the screen.
SHOWN_WITHIN_S = 2.0


def _row(screen: Screen, version: str) -> Locator:
    """What the table says of the calls of `client` to a version."""
    return screen.page.locator("#calls-table tr", has_text=f"reviews-{version}")


# For what a test shows by the way, on a machine that may be busy.
PATIENCE_MS = 60_000
LISTENING = "!!document.getElementById('live')._htmx?.sse?.reader"


# Texts of labels that are wider than what they stand on.
STICKING_OUT = """
() => [...document.querySelectorAll(".drawing.wide .label text")].filter((text) => {
  const box = text.getBBox(), room = text.parentElement.querySelector("rect").width.baseVal.value;
  return box.width && box.x + box.width > room;
}).map((text) => text.textContent)
"""


async def _follow(screen: Screen) -> None:
    """Open the picture, and wait until it gets what is new."""
    await screen.open("/")
    await _listening(screen)


async def _begun(screen: Screen) -> bool:
    """Whether all of the page is there but the scripts that come late."""
    try:
        return bool(await screen.page.evaluate("document.readyState === 'interactive' && 'htmx' in window"))
    except Error:  # the page before has just gone
        return False


async def _listening(screen: Screen) -> None:
    # Not by wait_for_function, which evaluates text in the page: its policy forbids that.
    async with asyncio.timeout(PATIENCE_MS / 1_000):
        while not await screen.page.evaluate(LISTENING):  # noqa: ASYNC110 - the page has no event for it
            await asyncio.sleep(0.05)


async def test_an_edit_shows_on_the_picture_within_two_seconds(screen: Screen, mesh: Running) -> None:
    file = mesh.files / "split.yaml"
    file.write_text(Manifests().split(70))
    await _follow(screen)
    await expect(_row(screen, "v1")).to_contain_text("70 %")
    began = time.monotonic()
    file.write_text(Manifests().split(45))
    await expect(_row(screen, "v1")).to_contain_text("45 %")
    took = time.monotonic() - began
    await expect(_row(screen, "v2")).to_contain_text("55 %")
    if screen.size == "desktop":
        await expect(screen.page.locator(".drawing.wide .labels")).to_contain_text("55 %")
    await screen.check("console-split")
    assert took < SHOWN_WITHIN_S


async def test_a_pod_that_is_killed_turns_red_and_recovers(screen: Screen, mesh: Running) -> None:
    await _follow(screen)
    state = screen.page.locator("#state")
    await expect(state).to_have_text("All pods are ready.")
    pid = mesh.pid("reviews-v2")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await expect(state).to_have_text("1 pod down: default/reviews-v2")
    drawn = screen.page.locator("svg:visible a.service", has_text="reviews")
    await expect(drawn).to_have_class(re.compile(r"\bbad\b"))
    await expect(drawn.locator(".pod.bad")).to_have_count(1)
    await screen.check("console-pod-down")
    await expect(state).to_have_text("All pods are ready.")
    await expect(drawn.locator(".pod.bad")).to_have_count(0)
    await expect(screen.page.locator("#workloads-table tr", has_text="reviews-v2")).to_contain_text("1/1")


async def test_requests_show_as_rate_errors_and_mutual_tls(screen: Screen, mesh: Running) -> None:
    await screen.open("/")
    with mesh.from_pod("client") as client:
        calls = screen.page.locator("#calls-table tr", has_text="mutual TLS")
        told: list[str] = []
        # Envoy shows histograms up to five seconds late: requests go on until all is there.
        async with asyncio.timeout(PATIENCE_MS / 1_000):
            while len(told) != 2 or not all(re.search(r"\d/s\s+0 %\s+[\d.]+ m?s", row) for row in told):
                client.get("http://reviews/")
                told = await calls.all_inner_texts()
    await screen.check("console-traffic")


async def test_calls_that_fail_are_said_first_and_fit_their_label(screen: Screen, mesh: Running) -> None:
    file = mesh.files / "split.yaml"
    [*found] = yaml.safe_load_all(Manifests().split(100))
    rule = next(document for document in found if document["kind"] == "VirtualService")
    rule["spec"]["http"][0]["fault"] = {"abort": {"percentage": {"value": 100}, "httpStatus": 503}}
    file.write_text(yaml.safe_dump_all(found))
    try:
        await screen.open("/")
        state = screen.page.locator("#state")
        with mesh.from_pod("client") as client:
            async with asyncio.timeout(PATIENCE_MS / 1_000):
                while "100 % of" not in await state.inner_text():
                    client.get("http://reviews/")
                    await asyncio.sleep(0.05)
        await expect(state).to_have_text("All pods are ready, but 100 % of client → reviews fail.")
        await expect(state).to_have_class(re.compile(r"\bbad\b"))
        await screen.check("console-failing")
        assert await screen.page.evaluate(STICKING_OUT) == []
        calls = screen.page.get_by_role("region", name="Calls")
        assert await calls.evaluate("it => it.scrollWidth - it.clientWidth") <= 0
    finally:
        file.write_text(Manifests().split(70))
    # Ten seconds later it is as if nothing had been.
    await expect(state).to_have_text("All pods are ready.", timeout=PATIENCE_MS)


async def test_a_service_leads_to_its_configuration_by_keyboard(screen: Screen, mesh: Running) -> None:
    await _follow(screen)
    box = screen.page.locator("svg:visible a.service", has_text="client")
    await box.focus()
    # The picture is changed under the reader all the time, who must not lose the place.
    (mesh.files / "split.yaml").write_text(Manifests().split(31))
    await expect(_row(screen, "v1")).to_contain_text("31 %", timeout=PATIENCE_MS)
    await expect(box).to_be_focused()
    await screen.page.keyboard.press("Enter")
    await screen.page.wait_for_url("**/config/?workload=*")
    routes = screen.page.get_by_role("region", name="Routes")
    place = mesh.command("get", "pods")  # the mesh answers beside the page
    assert place[0] == 0
    await expect(routes).to_contain_text("split.yaml:")
    await expect(routes).to_contain_text("31 % to outbound|80|v1|reviews.default.svc.cluster.local")
    await expect(routes).to_contain_text("VirtualService default/reviews")
    await screen.check("console-config")


async def test_a_picture_follows_however_slowly_a_script_comes(screen: Screen) -> None:
    begun = asyncio.Event()

    async def late(route: Route) -> None:
        await begun.wait()
        await route.continue_()

    await screen.page.route("**/sse.js", late)
    opening = asyncio.create_task(screen.open("/"))
    async with asyncio.timeout(PATIENCE_MS / 1_000):
        while not await _begun(screen):  # noqa: ASYNC110 - the page has no event for it
            await asyncio.sleep(0.05)
    begun.set()
    await opening
    await _listening(screen)


async def test_a_picture_that_no_longer_follows_says_so(screen: Screen) -> None:
    await _follow(screen)
    lost = screen.page.get_by_text("The console does not answer any more.")
    await expect(lost).to_be_hidden()
    await screen.page.route("**/live*", lambda route: route.abort())
    # The line breaks, and cannot be made anew.
    await screen.page.evaluate("document.getElementById('live')._htmx.sse.reader.cancel()")
    await expect(lost).to_be_visible()
    await screen.page.unroute("**/live*")
    await expect(lost).to_be_hidden()

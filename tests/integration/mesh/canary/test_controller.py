"""The loop with real time, real web hooks and a real folder; what it moves is a platform in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from mesh.canary.controller import Controller, Site
from mesh.canary.platform import Stored
from mesh.canary.runs.folder import Busy, Folder, name_of
from mesh.canary.runs.journal import Gated, events
from mesh.canary.runs.run import Run, fold
from tests.unit.mesh.canary.runs.world import Driven, World, rollout

pytestmark = pytest.mark.anyio
WITHIN_S = 60.0
DECISION = {
    "phase": "progressing",
    "weight": 0.1,
    "reason": "",
    "wealth": 1.0,
    "excess": [0, 1],
    "margin": 0.1,
    "eta_s": None,
}
TICK_S = 0.02
QUICK = {"scrapeIntervalS": 0.1, "warmUpS": 0.2}
Json = dict[str, Any]
Work = asyncio.Task[None]


@dataclass
class Listening:
    """A server for web hooks: what was said to it, and how it answers."""

    url: str = ""
    heard: list[Json] = field(default_factory=list)
    status: int = 200


@pytest.fixture
async def hooks() -> AsyncIterator[Listening]:
    made = Listening()

    async def hear(request: web.Request) -> web.Response:
        made.heard.append(await request.json())
        return web.Response(status=made.status)

    async def query(request: web.Request) -> web.Response:
        expression = (await request.post())["query"]
        result = [{"metric": {}, "value": [time.time(), "0" if expression == "down" else "1"]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    app = web.Application()
    app.router.add_post("/hook", hear)
    app.router.add_post("/api/v1/query", query)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


class Living(World):
    """A world whose clock is this machine's."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(rps=20_000.0, now=time.time(), starts_in_s=0.05, **fields)
        self.ready_at = dict.fromkeys(self.ready_at, time.time() - 3600)

    async def live(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.pass_by(time.time() - self.now)


async def start(folder: Path, world: World, **spec: Any) -> Path:
    asked = rollout(analysis=QUICK, timeouts={"drainS": 0.2}, steps=[50], **spec)
    return (await asyncio.to_thread(Driven, folder, world, asked)).path


@asynccontextmanager
async def working(
    folder: Path, world: Living, prometheus: str | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    @asynccontextmanager
    async def opened(_: Run) -> AsyncIterator[Site]:
        yield Site(world, world, world, prometheus)

    living = asyncio.create_task(world.live())
    working = asyncio.create_task(Controller(Folder(folder), opened).work())
    try:
        yield working
    finally:
        for task in (living, working):
            task.cancel()
        await asyncio.wait({living, working})


async def until(path: Path, reached: Callable[[Run], bool]) -> Run:
    async with asyncio.timeout(WITHIN_S):
        while not reached(run := fold(events(path))):  # noqa: ASYNC110 - what is waited for is a file
            await asyncio.sleep(TICK_S)
    return run


async def test_it_drives_a_run_to_its_end_tells_people_and_ends(tmp_path: Path, hooks: Listening) -> None:
    world = Living()
    path = await start(tmp_path, world, notify=[f"{hooks.url}/hook"])
    async with working(tmp_path, world) as work:
        run = await until(path, lambda run: run.ended)
        await asyncio.wait_for(work, WITHIN_S)
    assert run.verdict == "promoted"
    told = [body["text"] for body in hooks.heard]
    assert any("the canary gets its first requests" in text for text in told)
    assert "promoted" in told[-1]


async def test_gates_are_asked_again_until_they_open(tmp_path: Path, hooks: Listening) -> None:
    hooks.status = 503
    world = Living()
    gates = [
        {"type": "webhook", "name": "hook", "at": "start", "url": f"{hooks.url}/hook"},
        {"type": "query", "name": "ok", "at": "promotion", "expression": "up"},
    ]
    path = await start(tmp_path, world, gates=gates)
    async with working(tmp_path, world, hooks.url):
        await until(path, lambda run: "hook" in run.gates)
        assert "links-v2-rollout" not in world.made
        hooks.status = 200
        run = await until(path, lambda run: run.ended)
    assert run.verdict == "promoted"
    assert hooks.heard[0]["run"] == run.began.run
    told = [(event.gate, event.open) for event in events(path) if isinstance(event, Gated)]
    assert told[:2] == [("hook", False), ("hook", True)]
    assert ("ok", True) in told


@pytest.mark.parametrize("prometheus", [True, False])
async def test_a_query_that_gives_0_or_cannot_be_asked_is_a_closed_gate(
    tmp_path: Path, hooks: Listening, prometheus: bool
) -> None:
    world = Living()
    gates = [{"type": "query", "name": "ok", "at": "start", "expression": "down"}]
    path = await start(tmp_path, world, gates=gates)
    async with working(tmp_path, world, hooks.url if prometheus else None):
        run = await until(path, lambda run: "ok" in run.gates)
    why = "down is 0" if prometheus else "there is no Prometheus to ask"
    assert (run.gates["ok"].open, run.gates["ok"].why) == (False, why)


async def test_a_turn_that_fails_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.canary.controller.LONGEST_WAIT_S", 0.05)
    world = Living()
    read, failing = world.virtual_service, [3]

    async def sometimes(name: str) -> Stored:
        if failing[0] > 0:
            failing[0] -= 1
            raise ZeroDivisionError("a flaw")
        return await read(name)

    path = await start(tmp_path, world)
    monkeypatch.setattr(world, "virtual_service", sometimes)
    async with working(tmp_path, world):
        run = await until(path, lambda run: run.ended)
    assert (run.verdict, failing) == ("promoted", [0])


@pytest.mark.parametrize("damage", ["rubbish", "deep", "edited", "folder", "dangling"])
async def test_a_damaged_journal_stops_no_other_run(tmp_path: Path, damage: str) -> None:
    world = Living()
    path = await start(tmp_path, world)
    damaged = path.parent.with_name("users") / path.name
    damaged.parent.mkdir()
    match damage:
        case "rubbish":
            damaged.write_text("rubbish\n")
        case "deep":
            damaged.write_text("[" * 200_000 + "\n")
        case "edited":  # a scrape before anything was learned
            observed = {"event": "scraped", "at": 1.0, "decision": DECISION}
            damaged.write_bytes(path.read_bytes() + msgspec.json.encode(observed) + b"\n")
        case "folder":
            damaged.mkdir()
        case "dangling":
            damaged.symlink_to(tmp_path / "nothing")
    async with working(tmp_path, world) as work:
        assert (await until(path, lambda run: run.ended)).verdict == "promoted"
        await asyncio.wait_for(work, WITHIN_S)


async def test_two_controllers_do_not_drive_one_folder(tmp_path: Path) -> None:
    world = Living()
    path = await start(tmp_path, world)
    async with working(tmp_path, world), working(tmp_path, world) as second:
        with pytest.raises(Busy, match="another controller"):
            await asyncio.wait_for(asyncio.shield(second), WITHIN_S)
        assert name_of(path)

"""A process beside the Pods that runs from a request for it until it has ended well."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from mesh.local.runtime.companion import ProcessSpec, Room
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.on_demand import WANTED, OnDemand
from mesh.logs.sources import find
from tests.mesh.runtime.manifests import Manifests
from tests.mesh.runtime.test_library import running, until

pytestmark = pytest.mark.anyio

# Writes down that it runs, and ends with the exit code that it is told.
WORK = """
echo works
echo run >> runs
until [ -e end ]; do sleep 0.02; done
code=$(cat end); rm end; exit $code
"""


async def serving(_: Room) -> bool:
    return True


WORKER = ProcessSpec("worker", lambda room: ["sh", "-c", WORK], serving, on_demand=True)
ALWAYS = ProcessSpec("store", lambda room: ["sleep", "600"], serving)


class Worker:
    """The one process of a mesh, as its effects show it."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        [self.companion] = [each for each in mesh.companions if isinstance(each, OnDemand)]
        self.folder = self.companion.room.folder

    @property
    def runs(self) -> int:
        file = self.folder / "runs"
        return len(file.read_text().splitlines()) if file.exists() else 0

    @property
    def wanted(self) -> bool:
        return (self.folder / WANTED).exists()

    async def start(self, name: str = "worker") -> tuple[int, Any]:
        transport = httpx.AsyncHTTPTransport(uds=str(self.mesh.state.socket))
        async with httpx.AsyncClient(transport=transport) as client:
            answer = await client.post("http://mesh/start", json={"name": name})
        return answer.status_code, answer.json()

    async def has_run(self, times: int) -> None:
        await until(lambda: self.runs == times)

    def end(self, code: int) -> None:
        beside = self.folder / ".end"
        beside.write_text(str(code))
        beside.rename(self.folder / "end")

    async def rests(self) -> None:
        await until(lambda: not self.wanted)


@pytest.fixture
def text(manifests: Manifests) -> str:
    return manifests.config_map("some", key="value")


async def test_it_runs_from_a_request_until_it_has_ended_well(tmp_path: Path, text: str) -> None:
    async with running(tmp_path, text, processes=[ALWAYS, WORKER]) as mesh:
        worker = Worker(mesh)
        assert (worker.companion.container, worker.wanted) == (None, False)
        for times in (1, 2):
            assert await worker.start() == (200, {"started": True})
            await worker.has_run(times)
            assert worker.wanted
            worker.end(0)
            await worker.rests()
        assert worker.companion.container is not None
        assert worker.companion.container.state == "Terminated"
        assert worker.runs == 2
        [log] = [source.current for source in find(mesh.state) if source.service == "worker"]
        assert log.read_text() == "works\n"


async def test_any_other_end_starts_it_again(tmp_path: Path, text: str) -> None:
    async with running(tmp_path, text, processes=[WORKER]) as mesh:
        worker = Worker(mesh)
        await worker.start()
        for times in (1, 2, 3):
            await worker.has_run(times)
            assert worker.wanted
            worker.end(3 if times < 3 else 0)
        await worker.rests()
        assert worker.runs == 3


async def test_a_request_while_it_runs_starts_no_second_and_is_not_lost_when_it_ends(
    tmp_path: Path, text: str
) -> None:
    async with running(tmp_path, text, processes=[WORKER]) as mesh:
        worker = Worker(mesh)
        await worker.start()
        await worker.has_run(1)
        assert await worker.start() == (200, {"started": False})
        assert worker.runs == 1
        worker.end(0)
        await worker.has_run(2)
        assert worker.wanted
        worker.end(0)
        await worker.rests()
        assert worker.runs == 2


async def test_requests_at_any_moment_of_its_end_are_all_followed_by_a_run(tmp_path: Path, text: str) -> None:
    async with running(tmp_path, text, processes=[WORKER]) as mesh:
        worker = Worker(mesh)
        for moment in range(12):
            await worker.start()
            await until(lambda: worker.runs > 0)
            worker.end(0)
            for _ in range(moment):
                await asyncio.sleep(0.005)
            before = worker.runs
            worker.companion.ask()
            await until(lambda before=before: worker.runs > before)  # type: ignore[misc]
            worker.end(0)
            await worker.rests()
            (worker.folder / "runs").unlink()


async def test_it_ends_with_the_mesh_and_runs_again_with_the_next(tmp_path: Path, text: str) -> None:
    async with running(tmp_path, text, processes=[WORKER]) as mesh:
        worker = Worker(mesh)
        await worker.start()
        await worker.has_run(1)
    assert worker.wanted
    async with running(tmp_path, text, processes=[WORKER]) as mesh:
        worker = Worker(mesh)
        await worker.has_run(2)
        worker.end(0)
        await worker.rests()
    async with running(tmp_path, text, processes=[WORKER]) as mesh:
        assert Worker(mesh).companion.container is None


async def test_only_what_is_there_and_on_demand_can_be_asked_for(tmp_path: Path, text: str) -> None:
    async with running(tmp_path, text, processes=[ALWAYS, WORKER]) as mesh:
        worker = Worker(mesh)
        status, said = await worker.start("nobody")
        assert (status, said["reason"]) == (404, "NotFound")
        status, said = await worker.start("store")
        assert status == 400
        assert "store runs always" in said["error"]
        assert not (worker.folder.with_name("store") / WANTED).exists()

"""Processes that are forked from a parent which has imported their modules: they are as if started."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from mesh.local.runtime import nursery, sweep
from mesh.local.runtime.nursery import Nursery
from mesh.local.runtime.process import Command, Process
from mesh.local.runtime.state import State

pytestmark = pytest.mark.anyio
PATIENCE_S = 60.0

TELLING = """
import json, os, random, sys, threading
print(json.dumps({
    "arguments": sys.argv[1:], "name": __name__, "folder": os.getcwd(), "environment": dict(os.environ),
    "leads": os.getsid(0) == os.getpid(), "random": random.random(), "shared": "heavy" in sys.modules,
    "open": sorted(os.listdir("/proc/self/fd"))[:4], "parent": os.getppid(),
}), flush=True)
"""
THREADED = "import threading, time; threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
SLOW = """
import early, os, time
open("reading", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
"""
WAITING = "\nimport signal\nsignal.pause()\n"


class Folder:
    """Programs to run, and what they have said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = State(path / "state")
        self.state.create()
        self.reports: list[str] = []
        self.nursery = Nursery(self.state.folder, self.reports.append)
        self.write("heavy", "")
        self.write("telling", TELLING)
        self.write("waiting", TELLING + WAITING)

    def write(self, module: str, text: str) -> None:
        (self.path / f"{module}.py").write_text(text)

    def command(self, *argv: str, **env: str) -> Command:
        found = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **env}
        return Command(argv, found, self.path, self.path / "logs" / "said", self.state.folder)

    async def start(self, *argv: str, preload: tuple[str, ...] = ("heavy",), **env: str) -> Process:
        (self.path / "logs" / "said").unlink(missing_ok=True)
        return await self.nursery.start(self.command(*argv, **env), preload)

    def said(self) -> str:
        file = self.path / "logs" / "said"
        return file.read_text() if file.exists() else ""

    async def told(self) -> dict[str, object]:
        """What a process has told of itself, once it has."""
        async with asyncio.timeout(PATIENCE_S):
            while "\n" not in self.said():  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.01)
        found: dict[str, object] = json.loads(self.said())
        return found


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    made = Folder(tmp_path)
    try:
        yield made
    finally:
        await made.nursery.close()
        assert sweep.sweep(made.state.folder) == 0, "a process was left behind"


async def test_a_forked_process_is_told_what_a_started_one_is(folder: Folder) -> None:
    process = await folder.start("python", "-m", "telling", "--loud", COLOUR="blue")
    assert await process.wait() == 0
    told = await folder.told()
    assert (told["arguments"], told["name"], told["leads"]) == (["--loud"], "__main__", True)
    assert told["folder"] == str(folder.path)
    environment = told["environment"]
    assert isinstance(environment, dict)
    assert environment["COLOUR"] == "blue"
    assert environment[sweep.MARK] == str(folder.state.folder)
    assert "HOME" not in environment
    # Standard input, output and error, and the folder that is listed.
    assert told["open"] == ["0", "1", "2", "3"]


async def test_what_is_preloaded_is_there_and_was_started_otherwise(folder: Folder) -> None:
    await (await folder.start("python", "-m", "telling")).wait()
    assert (await folder.told())["shared"] is True
    for argv in (("python", "telling.py"), ("python3", "-c", TELLING)):
        await (await folder.start(*argv)).wait()
        assert (await folder.told())["shared"] is False
    await (await folder.start("python", "-m", "telling", preload=())).wait()
    assert (await folder.told())["shared"] is False


async def test_it_looks_from_outside_as_if_it_had_been_started(folder: Folder) -> None:
    process = await folder.start("python", "-m", "waiting", SECRET="x" * 10_000)
    await folder.told()
    seen = psutil.Process(process.pid)
    assert " ".join(seen.cmdline()).strip() == "python -m waiting"
    assert seen.environ()["SECRET"] == "x" * 10_000
    assert set(seen.environ()) == {"SECRET", "PATH", sweep.MARK}
    assert seen.cwd() == str(folder.path)
    assert await process.stop(30.0) == -signal.SIGTERM
    assert not process.running


async def test_exit_codes_are_the_process_own(folder: Folder) -> None:
    folder.write("failing", "raise SystemExit(7)")
    assert await (await folder.start("python", "-m", "failing")).wait() == 7
    assert await (await folder.start("python", "-m", "absent")).wait() == 1
    assert "No module named absent" in folder.said()


async def test_what_cannot_be_imported_says_so_itself(folder: Folder) -> None:
    folder.write("broken", "import telling_nothing")
    process = await folder.start("python", "-m", "broken", preload=("broken",))
    assert await process.wait() == 1
    assert "No module named 'telling_nothing'" in folder.said()


async def test_a_file_that_has_changed_is_run_as_it_is_now(folder: Folder) -> None:
    folder.write("heavy", "VALUE = 'before'")
    folder.write("using", "import heavy\nprint(heavy.VALUE, flush=True)")
    await (await folder.start("python", "-m", "using")).wait()
    assert folder.said() == "before\n"
    lasting = await folder.start("python", "-m", "waiting")
    await folder.told()
    folder.write("heavy", "VALUE = 'and afterwards'")
    await (await folder.start("python", "-m", "using")).wait()
    assert folder.said() == "and afterwards\n"
    # What runs from before goes on, and its end is noticed.
    assert lasting.running
    assert await lasting.stop(30.0) == -signal.SIGTERM


async def test_a_file_that_changes_while_it_is_imported_is_not_kept_as_it_was(folder: Folder) -> None:
    folder.write("early", "VALUE = 'before'")
    folder.write("slow", SLOW)
    folder.write("using", "import early\nprint(early.VALUE, flush=True)")
    first = asyncio.create_task(folder.start("python", "-m", "using", preload=("slow",)))
    async with asyncio.timeout(PATIENCE_S):
        while not (folder.path / "reading").exists():  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.01)
    folder.write("early", "VALUE = 'and after'")
    (folder.path / "go").touch()
    await (await first).wait()
    await (await folder.start("python", "-m", "using", preload=("slow",))).wait()
    assert folder.said() == "and after\n"


async def test_a_parent_that_hangs_is_given_up_when_a_child_ends(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nursery, "TOLD_WITHIN_S", 0.1)
    process = await folder.start("python", "-m", "waiting")
    parent = (await folder.told())["parent"]
    assert isinstance(parent, int)
    os.kill(parent, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        assert await process.wait() == -signal.SIGKILL
    monkeypatch.undo()  # the next one has its time
    again = await folder.start("python", "-m", "waiting")
    assert (await folder.told())["parent"] != parent
    assert await again.stop(30.0) == -signal.SIGTERM


async def test_a_parent_is_not_given_up_by_who_has_stood_still_himself(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nursery, "TOLD_WITHIN_S", 1.0)
    ending = await folder.start("python", "-m", "waiting")
    parent = (await folder.told())["parent"]
    assert isinstance(parent, int)
    lasting = await folder.start("python", "-m", "waiting")
    assert (await folder.told())["parent"] == parent
    os.kill(parent, signal.SIGSTOP)
    os.kill(ending.pid, signal.SIGKILL)
    while psutil.Process(ending.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)  # noqa: ASYNC251 - as is what follows
    for _ in range(5):
        await asyncio.sleep(0)  # its end is noticed, and the time begins
    os.kill(parent, signal.SIGCONT)
    time.sleep(1.5)  # noqa: ASYNC251 - all of it passes here, where nobody can listen
    async with asyncio.timeout(PATIENCE_S):
        assert await ending.wait() == -signal.SIGKILL
    monkeypatch.undo()
    again = await folder.start("python", "-m", "waiting")
    assert (await folder.told())["parent"] == parent
    assert lasting.running
    for process in (lasting, again):
        assert await process.stop(30.0) == -signal.SIGTERM


async def test_pods_with_folders_of_their_own_have_one_parent(folder: Folder) -> None:
    folder.write("folders", "import tempfile; tempfile.gettempdir()")
    folder.write("telling", TELLING + "import tempfile\nprint(tempfile.gettempdir(), flush=True)")
    parents = set()
    for name in ("one", "other"):
        own = folder.path / name
        own.mkdir()
        process = await folder.start("python", "-m", "telling", preload=("folders",), TMPDIR=str(own))
        await process.wait()
        told, temporary = folder.said().splitlines()
        parents.add(json.loads(told)["parent"])
        assert temporary == str(own)
    assert len(parents) == 1


async def test_chance_is_not_the_same_in_all(folder: Folder) -> None:
    drawn = set()
    for _ in range(3):
        await (await folder.start("python", "-m", "telling", preload=("random",))).wait()
        drawn.add((await folder.told())["random"])
    assert len(drawn) == 3


async def test_the_end_of_the_parent_is_the_end_of_its_children_and_of_nothing_else(folder: Folder) -> None:
    first = await folder.start("python", "-m", "waiting")
    parent = (await folder.told())["parent"]
    assert isinstance(parent, int)
    os.kill(parent, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        assert await first.wait() == -signal.SIGKILL
    second = await folder.start("python", "-m", "waiting")
    assert (await folder.told())["parent"] != parent
    assert await second.stop(30.0) == -signal.SIGTERM


async def test_what_prints_or_begins_a_thread_when_imported_does_no_harm(folder: Folder) -> None:
    folder.write("talkative", "print('hello')")
    await (await folder.start("python", "-m", "telling", preload=("talkative", "heavy"))).wait()
    assert (await folder.told())["shared"] is True
    folder.write("busy", THREADED)
    process = await folder.start("python", "-m", "telling", preload=("busy", "heavy"))
    assert await process.wait() == 0
    assert (await folder.told())["shared"] is False
    assert folder.reports == [
        "python -m telling is started, not forked: a thread was begun by importing one of busy, heavy"
    ]


async def test_many_at_once_each_get_their_own_answer(folder: Folder) -> None:
    for number in range(8):
        folder.write(f"exits{number}", f"raise SystemExit({number})")

    async def code(number: int) -> int:
        process = await folder.nursery.start(folder.command("python", "-m", f"exits{number}"), ("heavy",))
        return await process.wait()

    assert await asyncio.gather(*map(code, range(8))) == list(range(8))


async def test_the_services_can_be_preloaded_without_a_thread(folder: Folder) -> None:
    """A lock that another thread holds in the moment of a fork stays locked in the child for ever."""
    names = ("links", "link_checker", "news", "social_graph", "users", "web")
    services = tuple(f"services.{name}.app" for name in names)
    checkout = Path(__file__).parents[3]
    process = await folder.start("python", "-m", "waiting", preload=services, PYTHONPATH=str(checkout))
    told = await folder.told()
    assert isinstance(told["parent"], int)
    assert psutil.Process(told["parent"]).num_threads() == 1
    maps = (Path("/proc") / str(process.pid) / "maps").read_text()
    assert "asyncpg" in maps, "they were not imported"
    await process.stop(30.0)

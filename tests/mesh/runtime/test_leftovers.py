"""What a container has started ends with it, also what has left its session; nothing else does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import psutil
import pytest

from mesh.local.runtime import leftovers, sweep
from mesh.local.runtime.container import Container, Definition
from mesh.local.runtime.leftovers import Ended, Leftovers, new_mark
from mesh.local.runtime.probes import Action, Probes
from mesh.local.runtime.process import Command
from mesh.local.runtime.state import State
from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests

NOBODY = 2**22 + 1  # no pid is as large


# Each of twenty heads lives for as long as a look takes, and leaves another in a session of its own.
HYDRA = """
import os, time
ends = time.monotonic() + 20
if any(not os.fork() for _ in range(20)):
    while time.monotonic() < ends:
        os.setsid()
        open("alive", "w").close()
        time.sleep(0.02)
        if os.fork():
            os._exit(0)
"""


class Processes:
    """Shells that run in a session of their own, with a mark or without; all end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []
        self._others: set[int] = set()

    def start(self, script: str, mark: str = "") -> subprocess.Popen[bytes]:
        """As of a container with this mark, in a mesh whose state folder is the test's."""
        env = {"PATH": os.environ["PATH"], leftovers.MARK: mark, sweep.MARK: str(self.folder)}
        self.started.append(
            subprocess.Popen(["sh", "-c", script], env=env, start_new_session=True, cwd=self.folder)
        )
        return self.started[-1]

    def noted(self, name: str) -> int:
        """The pid that a script has written to a file."""
        file = self.folder / name
        pid = int(until(lambda: file.is_file() and file.read_text().strip()))
        self._others.add(pid)
        return pid

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        for pid in self._others:
            if lives(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.close()


def lives(pid: int) -> bool:
    seen = sweep.look(pid)
    return seen is not None and not seen.zombie


def test_what_carries_the_mark_is_ended_and_nothing_else(processes: Processes) -> None:
    ours, theirs = new_mark("default/api/app"), new_mark("default/api/app")
    daemon = processes.start("exec sleep 1000", ours)
    others = [processes.start("exec sleep 1000", theirs), processes.start("exec sleep 1000")]
    until(lambda: all(psutil.Process(each.pid).name() == "sleep" for each in processes.started))
    assert leftovers.clear([Ended(ours, NOBODY)]) == set()
    assert daemon.wait() == -signal.SIGKILL
    assert [each.poll() for each in others] == [None, None]


def test_what_forgets_its_environment_is_known_by_its_parent_and_by_its_session(processes: Processes) -> None:
    mark = new_mark("default/api/app")
    processes.start("env -i sh -c 'echo $$ > child; exec sleep 1000' & wait", mark)
    # A shell with job control gives each job a group, which nobody kills with that of its leader.
    leader = processes.start("set -m; env -i sh -c 'echo $$ > job; exec sleep 1000' & exit 0")
    child, job = processes.noted("child"), processes.noted("job")
    leader.wait()
    assert leftovers.clear([Ended(mark, leader.pid)]) == set()
    assert not lives(child)
    assert not lives(job)


def test_the_session_of_a_number_that_is_another_s_now_is_left_alone(processes: Processes) -> None:
    other = processes.start("exec sleep 1000")
    assert leftovers.clear([Ended("none", other.pid)]) == set()
    assert other.poll() is None


def test_a_process_that_is_another_than_was_seen_is_not_killed(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = new_mark("default/api/app")
    process = processes.start("exec sleep 1000", mark)
    real = leftovers.belonging

    def earlier(ended: Collection[Ended]) -> list[sweep.Seen]:
        """As if the pid had been that of a process which began before, at the first look."""
        monkeypatch.setattr(leftovers, "belonging", lambda _: [])
        return [seen._replace(started_at="1") for seen in real(ended)]

    monkeypatch.setattr(leftovers, "belonging", earlier)
    assert leftovers.clear([Ended(mark, NOBODY)]) == set()
    assert process.poll() is None


def test_what_starts_others_while_it_is_ended_does_not_get_away(processes: Processes) -> None:
    mark = new_mark("default/api/app")
    processes.start("while :; do setsid sh -c 'sleep 1000' & sleep 0.002; done", mark)
    until(lambda: len(list(leftovers.belonging([Ended(mark, NOBODY)]))) > 10)
    assert leftovers.clear([Ended(mark, NOBODY)]) == set()
    assert not list(leftovers.belonging([Ended(mark, NOBODY)]))


@pytest.mark.parametrize("of", ["container", "mesh"])
def test_what_lives_until_it_has_started_another_does_not_get_away(processes: Processes, of: str) -> None:
    mark = new_mark("default/api/app")
    processes.start(f"{sys.executable} -c '{HYDRA}'; exec sleep 1000", mark)
    alive = processes.folder / "alive"
    until(alive.exists)
    if of == "mesh":
        assert sweep.sweep(processes.folder)
    else:
        assert leftovers.clear([Ended(mark, NOBODY)]) == set()
    alive.unlink()
    for _ in range(20):
        assert not list(leftovers.belonging([Ended(mark, NOBODY)]))
    assert not alive.exists()


def test_what_cannot_be_killed_is_named_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: sweep.Seen) -> int:
        raise PermissionError

    found = sweep.look(os.getpid())
    monkeypatch.setattr(leftovers, "belonging", lambda _: [found])
    monkeypatch.setattr(leftovers, "_kill", refuse)
    began = time.monotonic()
    assert leftovers.clear([Ended("mark", NOBODY)]) == {os.getpid()}
    assert time.monotonic() - began < leftovers.WITHIN_S


def test_many_that_end_at_once_are_looked_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    loops: list[int] = []

    def clear(ended: Collection[Ended]) -> set[int]:
        looks.append(len(ended))
        loops.append(threading.get_ident())
        if len(looks) == 2:
            raise OSError(24, "Too many open files")
        return {7} if len(looks) == 3 else set()

    async def end_all() -> None:
        made = Leftovers(reports.append)
        first = asyncio.create_task(made.end(Ended("first", NOBODY)))
        await asyncio.sleep(0)  # its look has begun
        await asyncio.sleep(0)
        await asyncio.gather(first, *(made.end(Ended(str(each), NOBODY)) for each in range(200)))
        await made.end(Ended("last", NOBODY))

    reports: list[str] = []
    monkeypatch.setattr(leftovers, "clear", clear)
    asyncio.run(end_all())
    assert looks == [1, 200, 1]
    assert threading.get_ident() not in loops, "the event loop waits for nothing"
    assert ["Too many open files" in text for text in reports] == [True, False]
    assert reports[1] == "left behind by an ended container, and cannot be ended: process 7"


def test_a_hook_that_outlives_its_process_leaves_nothing_behind_either(tmp_path: Path) -> None:
    cleared: list[str] = []

    async def hook(_: Action, grace_s: float) -> str | None:
        os.kill(container.pid or 0, signal.SIGKILL)
        await container.finished.wait()
        cleared.append("hook")
        return None

    async def clear(pid: int) -> None:
        cleared.append("clear")

    async def live() -> None:
        running = asyncio.create_task(container.run())
        await container.started.wait()
        await container.stop()
        await running

    state = State(tmp_path / "state")
    state.create()
    command = Command(("sleep", "1000"), dict(os.environ), tmp_path, tmp_path / "log", state.folder)
    definition = Definition("app", command, Probes(), "Never", hook, pre_stop=Action(sleep_s=0), clear=clear)
    container = Container(definition, lambda: None, lambda _: None)
    asyncio.run(live())
    assert cleared == ["clear", "hook", "clear"]


# A server that leaves the session of its container, and answers when it has the port.
SERVER = """
import os, signal, socket, sys
if os.fork():
    os._exit(0)
os.setsid()
serving = socket.create_server((os.environ["HOST"], 8080))
print("serves", os.getpid(), flush=True)
signal.pause()
"""
# Prints the pid of a process that has left the session: its output ends only then.
DETACH = "echo $(setsid sh -c 'echo $$; exec sleep 1000 >&-' &)"
PROBE = f"test -e /notes/asked || {{ {DETACH} > /notes/new; mv /notes/new /notes/asked; }}"
ENV = "envFrom: [{ configMapRef: { name: scripts } }]"
BARE = "sidecar.istio.io/inject: 'false'"
DAEMONS = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: daemon }}
spec:
  selector: {{ matchLabels: {{ app: daemon }} }}
  template:
    metadata: {{ labels: {{ app: daemon }}, annotations: {{ {BARE} }} }}
    spec:
      initContainers:
        - name: before
          command: [sh, -c, 'eval "$DETACH"']
          {ENV}
      containers:
        - name: app
          command: [sh, -c, 'python -c "$SERVER"; exec sleep 1000']
          {ENV}
          ports: [{{ containerPort: 8080 }}]
          readinessProbe:
            exec: {{ command: [sh, -c, 'eval "$PROBE"'] }}
            periodSeconds: 1
          volumeMounts: [{{ name: notes, mountPath: /notes }}]
      volumes: [{{ name: notes, emptyDir: {{}} }}]
---
apiVersion: batch/v1
kind: Job
metadata: {{ name: once }}
spec:
  template:
    metadata: {{ annotations: {{ {BARE} }} }}
    spec:
      restartPolicy: Never
      containers: [{{ name: app, command: [sh, -c, 'eval "$DETACH"'], {ENV} }}]
"""


def test_daemons_end_with_their_container_and_leave_it_their_port(
    new_mesh: Callable[[str], Running], manifests: Manifests
) -> None:
    scripts = manifests.config_map("scripts", SERVER=SERVER, DETACH=DETACH, PROBE=PROBE)
    mesh = new_mesh(DAEMONS + scripts)
    pods = mesh.state.pods / "default"

    def told(file: str) -> list[int]:
        """The pids of daemons that were told of in a file, which comes."""
        words = until(lambda: [word for one in pods.glob(file) for word in one.read_text().split()])
        return [int(word) for word in words if word.isdigit()]

    [init], [job], [probed] = (
        told(file)
        for file in ("daemon-*/logs/before.log", "once-*/logs/app.log", "daemon-*/volumes/notes/asked")
    )
    assert not lives(init)
    assert not lives(job)
    assert lives(probed)
    [first] = told("daemon-*/logs/app.log")
    os.kill(mesh.pid("daemon") or 0, signal.SIGKILL)
    until(lambda: mesh.pod("daemon")["restarts"] == 1 and mesh.pod("daemon")["ready"])
    assert not lives(first)
    assert not lives(probed)
    [second] = told("daemon-*/logs/app.log")
    assert lives(second)
    mesh.delete(DAEMONS)
    until(lambda: not mesh.pods("daemon"))
    assert not lives(second)

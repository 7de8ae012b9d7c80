"""Pods that fail, end and come again while what is declared changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from mesh.local.model import Config
from mesh.local.resources import parse
from mesh.local.runtime import controller, workload_views
from mesh.local.runtime.controller import Controller
from mesh.local.runtime.running_pods import RunningPods
from tests.unit.mesh.runtime.fakes import Places, Pod, settle

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: c, command: [sleep, "1"]}]}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  completionMode: Indexed
  completions: 1
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, command: ["true"]}]
"""


WITHIN_S = 30.0


class World:
    """A controller and every pod that was made for it; `leaves` lets those who send requests know."""

    def __init__(self) -> None:
        self.places = Places()
        self.reports: list[str] = []
        self.leaves = asyncio.Event()
        places = self.places
        running = RunningPods(places.make, places.released.append, self.leaves.wait, self.reports.append)
        self.controller = Controller(running, self.reports.append)

    @property
    def made(self) -> list[Pod]:
        return self.places.made

    def want(self, text: str) -> None:
        self.controller.want(Config(parse(text, "a.yaml")), {})


def in_world(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Run it, with nothing wrong inside the mesh."""

    async def run() -> None:
        world = World()
        await test(world)
        assert not [text for text in world.reports if "internal error" in text]

    asyncio.run(run())


def test_a_pod_that_has_failed_and_still_ends_is_there_until_it_has() -> None:
    async def test(world: World) -> None:
        world.want(DEPLOYMENT)
        [pod] = world.made
        await settle()
        pod.phase = "Failed"  # and its sidecar ends
        world.want(DEPLOYMENT)
        assert not world.places.released, "its address is not free yet"
        pod.ends.set()
        await settle()
        world.want(DEPLOYMENT)
        assert world.places.released == [pod]

    in_world(test)


def test_a_pod_that_was_told_to_end_and_fails_at_that_is_taken_away_once() -> None:
    async def test(world: World) -> None:
        world.want(DEPLOYMENT)
        [pod] = world.made
        await settle()
        world.want("")
        pod.phase = "Failed"  # by the exit code of what was told to end
        world.want(DEPLOYMENT)
        assert not world.places.released
        world.leaves.set()
        await settle()
        pod.ends.set()
        await settle()
        assert world.places.released == [pod]
        assert [pod.manifest.key for pod in world.controller.pods.values()] == [world.made[1].manifest.key]

    in_world(test)


def test_a_failed_pod_that_still_ends_is_not_replaced_by_one_of_its_name() -> None:
    async def test(world: World) -> None:
        world.want(DEPLOYMENT)
        [pod] = world.made
        await settle()
        pod.phase = "Failed"
        world.controller.replace(pod.manifest.key)
        assert not world.places.released
        pod.ends.set()
        await settle()

    in_world(test)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_pod_that_cannot_be_run_is_tried_again_and_again_but_not_all_the_time(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "RETRY_S", 0.3)
    text = DEPLOYMENT.replace("Deployment", kind).replace("spec:", "spec:\n  serviceName: api", 1)

    async def test(world: World) -> None:
        def fail() -> None:
            world.made[-1].failure = "no space"
            world.made[-1].ends.set()

        world.want(text)
        fail()
        await settle()
        assert len(world.made) == 1, "its place is taken until then"
        async with asyncio.timeout(WITHIN_S):
            while len(world.made) < 2:  # noqa: ASYNC110 - as long as it takes
                await asyncio.sleep(0.001)
        fail()
        await settle()
        assert len(world.made) == 2
        world.want(text)
        assert len(world.made) == 3, "what is declared now may help"
        assert len(world.controller.pods) == 1

    in_world(test)


def test_a_job_that_comes_again_while_its_pod_is_taken_away_keeps_its_own_pod() -> None:
    async def test(world: World) -> None:
        world.want(JOB)
        first = world.made[0]
        first.phase = "Succeeded"
        first.ends.set()
        await settle()
        assert first.over
        world.want("")
        await settle()
        world.want(JOB)
        await settle()
        world.leaves.set()
        await settle()
        second = world.made[-1]
        assert second is not first
        world.controller.reconcile()
        second.phase = "Succeeded"
        second.ends.set()
        await settle()
        [run] = world.controller.jobs.values()
        assert run.state == "Succeeded"

    in_world(test)


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_a_job_is_shown_for_its_time_and_stays_done(seconds: float) -> None:
    text = JOB.replace("spec:", f"spec:\n  ttlSecondsAfterFinished: {seconds}", 1)

    async def test(world: World) -> None:
        world.want(text)
        mesh: Any = SimpleNamespace(controller=world.controller)
        [workload] = world.controller.wanted
        assert [job["name"] for job in workload_views.jobs(mesh)] == ["work"]
        [pod] = world.made
        pod.phase = "Succeeded"
        pod.ends.set()
        await settle()
        if seconds:
            assert world.controller.pods
            assert workload_views.jobs(mesh)
        async with asyncio.timeout(WITHIN_S):
            while world.controller.pods:  # noqa: ASYNC110 - as long as its time is
                await asyncio.sleep(0.01)
        assert world.places.released == [pod]
        assert workload_views.jobs(mesh) == []
        world.want(text)
        assert world.made == [pod], "it does not run again"
        assert world.controller.done(workload)

    in_world(test)


def test_a_job_without_a_time_is_shown_for_ever() -> None:
    async def test(world: World) -> None:
        world.want(JOB)
        mesh: Any = SimpleNamespace(controller=world.controller)
        [pod] = world.made
        pod.phase = "Succeeded"
        pod.ends.set()
        await settle()
        assert [job["state"] for job in workload_views.jobs(mesh)] == ["Succeeded"]
        assert world.controller.pods

    in_world(test)

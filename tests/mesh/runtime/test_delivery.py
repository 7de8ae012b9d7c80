"""Edits meet proxies that are killed, hang, start or stop: in force everywhere, or told and taken back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import aiohttp
import httpx
import pytest

from mesh.local import resources
from mesh.local.runtime import admin, desired, sidecar
from mesh.local.runtime.deliver import Delivery, Effect
from mesh.local.runtime.errors import DeliveryFailed, Unanswered
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.pod import Pod
from tests.mesh.runtime.conftest import Running
from tests.mesh.runtime.manifests import Manifests
from tests.mesh.runtime.test_library import egress, running, until

pytestmark = pytest.mark.anyio
NewMesh = Callable[[str], Running]
TOO_LARGE = r"\pL{1000}" * 20  # for Envoy, which alone counts the steps of a class


def _greeting(text: str, regex: str = "/.*") -> str:
    """A host that every sidecar answers for by itself."""
    route = {
        "match": [{"uri": {"regex": regex}}],
        "directResponse": {"status": 200, "body": {"string": text}},
    }
    body = {"kind": "VirtualService", "metadata": {"name": "greeting"}, "spec": {"hosts": ["greet.example"]}}
    body["apiVersion"] = "networking.istio.io/v1"
    body["spec"]["http"] = [route]  # type: ignore[index]
    return f"---\n{json.dumps(body)}\n"


async def _apply(mesh: Mesh, text: str) -> None:
    await mesh.transactions.apply(resources.parse(text, "applied.yaml"))


async def _greeted(mesh: Mesh, workload: str) -> str:
    async with httpx.AsyncClient(proxy=egress(mesh, workload), timeout=30) as client:
        return (await client.get("http://greet.example/")).text


def _pod(mesh: Mesh, workload: str) -> Pod:
    return next(pod for pod in mesh.controller.pods.values() if pod.manifest.workload == workload)


def _envoy(pod: Pod) -> int:
    assert pod.sidecar is not None
    pid = pod.sidecar.container.pid
    assert pid is not None
    return pid


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Admin interfaces have little time to answer."""
    monkeypatch.setattr(admin, "ADMIN_TIMEOUT", aiohttp.ClientTimeout(total=2))


async def test_an_edit_just_after_a_sidecar_was_killed_is_in_force_there_too(
    tmp_path: Path, manifests: Manifests
) -> None:
    async with running(tmp_path, manifests.pair()) as mesh:
        os.kill(_envoy(_pod(mesh, "reviews")), signal.SIGKILL)  # nobody has noticed yet
        await _apply(mesh, _greeting("one"))
        assert [await _greeted(mesh, name) for name in ("client", "reviews")] == ["one", "one"]


@pytest.mark.slow
async def test_an_edit_while_a_sidecar_hangs_is_in_force_when_that_is_replaced(
    tmp_path: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    alive = replace(sidecar.ALIVE, period_s=0.2, timeout_s=2.0)
    monkeypatch.setattr(sidecar, "ALIVE", alive)
    async with running(tmp_path, manifests.pair()) as mesh:
        before = _envoy(_pod(mesh, "reviews"))
        os.kill(before, signal.SIGSTOP)
        await _apply(mesh, _greeting("one"))
        assert [await _greeted(mesh, name) for name in ("client", "reviews")] == ["one", "one"]
        assert _envoy(_pod(mesh, "reviews")) != before


async def test_a_saved_file_is_taken_over_when_a_sidecar_answers_again(
    tmp_path: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setattr(desired, "ANSWERED_WITHIN_S", 0.0)
    monkeypatch.setattr(sidecar, "ALIVE", replace(sidecar.ALIVE, failure_threshold=1000))
    async with running(tmp_path, manifests.pair()) as mesh:
        hanging = _envoy(_pod(mesh, "reviews"))
        os.kill(hanging, signal.SIGSTOP)
        with pytest.raises(Unanswered, match="does not answer"):
            await _apply(mesh, _greeting("applied"))
        (tmp_path / "mesh.yaml").write_text(manifests.pair() + _greeting("saved"))
        await until(lambda: "trying again" in mesh.refused)
        os.kill(hanging, signal.SIGCONT)
        await until(lambda: not mesh.refused)
        assert [await _greeted(mesh, name) for name in ("client", "reviews")] == ["saved", "saved"]


async def test_what_starting_sidecars_refuse_is_told_and_taken_back_everywhere(
    tmp_path: Path, manifests: Manifests
) -> None:
    async with running(tmp_path, manifests.pair() + _greeting("one")) as mesh:
        pods = [_pod(mesh, name) for name in ("client", "reviews")]
        for pod in pods:
            os.kill(_envoy(pod), signal.SIGKILL)
        await until(lambda: not any(pod.sidecar and pod.sidecar.delivery.live.is_set() for pod in pods))
        with pytest.raises(DeliveryFailed, match=r"refused it: .*program size"):
            await _apply(mesh, _greeting("two", TOO_LARGE))
        await until(lambda: all(pod.ready for pod in pods))
        assert [await _greeted(mesh, name) for name in ("client", "reviews")] == ["one", "one"]
        await _apply(mesh, _greeting("three"))
        assert [await _greeted(mesh, name) for name in ("client", "reviews")] == ["three", "three"]


async def test_what_a_starting_sidecar_refuses_is_said_where_people_look(
    tmp_path: Path, manifests: Manifests
) -> None:
    async with running(tmp_path, manifests.pair()) as mesh:
        pod = _pod(mesh, "reviews")
        assert pod.sidecar is not None
        delivery = pod.sidecar.delivery
        assert isinstance(delivery, Delivery)
        before = delivery.in_force.snapshot
        config = resources.parse(_greeting("one", TOO_LARGE), "a.yaml")
        mesh.desired.config = type(mesh.desired.config)([*mesh.desired.config, *config])
        os.kill(_envoy(pod), signal.SIGKILL)
        await until(lambda: pod.sidecar is not None and not pod.sidecar.delivery.live.is_set())
        with pytest.raises(DeliveryFailed, match="client"):  # this one serves, and judges
            await mesh.desired.deliver()
        await until(lambda: "refused its configuration" in pod.sidecar.container.reason)  # type: ignore[union-attr]
        assert await delivery.deliver(before) is Effect.UNREAD
        assert await pod.sidecar.settled()


def test_no_edit_fails_by_a_rolling_restart(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    target = {"namespace": "default", "name": "reviews"}
    edits = 0
    with ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            restart = pool.submit(mesh.client.post, "/restart", target)
            while not restart.done():
                edits += 1
                mesh.apply(_greeting(f"edit {edits}"))
                assert mesh.get("http://greet.example/").text == f"edit {edits}"
            restart.result()


async def test_the_last_saved_file_wins_over_a_retry(
    tmp_path: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setattr(desired, "ANSWERED_WITHIN_S", 0.0)
    async with running(tmp_path, manifests.pair()) as mesh:
        hanging = _envoy(_pod(mesh, "reviews"))
        os.kill(hanging, signal.SIGSTOP)
        (tmp_path / "mesh.yaml").write_text(manifests.pair() + _greeting("first"))
        await until(lambda: "trying again" in mesh.refused)
        (tmp_path / "mesh.yaml").write_text(manifests.pair() + "nonsense: [")
        await until(lambda: "mesh.yaml" in mesh.refused)
        os.kill(hanging, signal.SIGCONT)
        (tmp_path / "mesh.yaml").write_text(manifests.pair() + _greeting("last"))
        await until(lambda: not mesh.refused)
        assert await asyncio.wait_for(_greeted(mesh, "reviews"), 60) == "last"

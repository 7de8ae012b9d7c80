"""Whatever is killed comes back, and nothing outlives its mesh."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from mesh.local.runtime import supervise
from tests.mesh.runtime.conftest import PATIENCE_S, Running, until
from tests.mesh.runtime.manifests import Manifests

NewMesh = Callable[[str], Running]


def _kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_a_killed_process_and_a_killed_sidecar_come_back_at_their_addresses(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mesh = new_mesh(manifests.pair())
    before = mesh.pod("reviews")
    for container in ("app", "istio-proxy"):
        old = mesh.pid("reviews", container)
        _kill(old)
        until(lambda old=old, container=container: mesh.pid("reviews", container) not in (None, old))  # type: ignore[misc]
        until(lambda: mesh.pod("reviews")["ready"])
        until(lambda: f"pod default/{before['name']} is ready again" in mesh.output)
        assert until(lambda: mesh.get("http://reviews/").status_code == 200)
    after = mesh.pod("reviews")
    assert (after["ip"], after["name"], after["restarts"]) == (before["ip"], before["name"], 2)


def test_a_hung_sidecar_is_replaced(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    old = mesh.pid("reviews", "istio-proxy")
    assert old is not None
    os.kill(old, signal.SIGSTOP)
    until(lambda: mesh.pid("reviews", "istio-proxy") not in (None, old))
    assert until(lambda: mesh.get("http://reviews/").status_code == 200)


def test_sigterm_ends_everything_in_order(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    assert len(mesh.members()) >= 4
    assert mesh.stop() == 0
    assert not mesh.members()
    assert "internal error" not in mesh.output


def test_no_process_outlives_a_killed_supervisor(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    assert mesh.members()
    mesh.kill()
    until(lambda: not mesh.members())


def test_up_recovers_after_everything_was_killed(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    ip = mesh.pod("reviews")["ip"]
    mesh.kill()
    mesh.start()
    assert mesh.pod("reviews")["ip"] == ip
    assert mesh.get("http://reviews/").json() == "v1"


def test_down_ends_a_mesh_that_does_not_answer(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    assert mesh.process is not None
    supervise.down(mesh.state)
    assert mesh.process.wait(PATIENCE_S) == 0
    assert not mesh.members()


def test_a_crash_loop_is_told_with_the_last_lines(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    broken = manifests.deployment("reviews", version="v1", env={"EXIT_AT_START": "1"})
    mesh.apply(broken)
    until(lambda: "told to exit at start" in mesh.output and mesh.output.count("starting it again") >= 2)
    assert mesh.get("http://reviews/").json() == "v1", "the old pod stays until the new one is ready"

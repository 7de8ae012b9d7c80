"""An apply that replaces pods waits for them, and says why they do not come."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests

NewMesh = Callable[[str], Running]


def _apply(mesh: Running, text: str, *options: str) -> tuple[int, str]:
    file = mesh.folder / "new.yaml"
    file.write_text(text)
    return mesh.command("apply", "-f", str(file), *options)


def test_an_apply_returns_when_its_pods_are_new(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    code, output = _apply(mesh, manifests.deployment("reviews", version="v2"))
    assert code == 0, output
    assert "deployment/reviews in default is rolling out: reviews-" in output
    assert "deployment/reviews rolled out" in output
    assert mesh.get("http://reviews/").json() == "v2"


@pytest.mark.slow
def test_a_policy_is_not_waited_for(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    code, output = _apply(mesh, manifests.denial("/secret"))
    assert (code, "rolling out" in output) == (0, False), output
    assert "effective on every sidecar" in output


def test_new_pods_that_crash_end_the_wait_with_the_reason(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    code, output = _apply(mesh, manifests.deployment("reviews", env={"EXIT_AT_START": "1"}))
    assert code == 1
    assert "deployment/reviews in default does not come up (its older pods go on)" in output
    assert "told to exit at start" in output
    assert mesh.get("http://reviews/").status_code == 200
    code, output = mesh.command("status")
    assert code == 1
    assert "CRASHING: pod default/reviews-" in output
    assert "1 object held over the files" in output
    assert mesh.command("reset", "--all")[0] == 0
    assert mesh.command("status")[0] == 0


def test_the_wait_is_bounded_and_can_be_left_out(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    never = {"readinessProbe": {"exec": {"command": ["false"]}}}
    code, output = _apply(mesh, manifests.deployment("reviews", container=never), "--timeout", "0.5")
    assert code == 1
    assert "not rolled out after 0.5 s: deployment/reviews in default (its older pods go on)" in output
    code, output = _apply(mesh, manifests.deployment("reviews", container=never), "--no-wait")
    assert (code, "is rolling out" in output) == (0, True), output


def test_a_port_that_the_sidecar_owns_is_explained(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    deaf = {"command": ["python3", "-m", "http.server", "$(PORT)"]}
    code, output = _apply(mesh, manifests.deployment("reviews", container=deaf))
    assert code == 1
    assert "listen on $HOST:$PORT (here 127." in output


def test_a_program_that_listens_where_nobody_asks_is_found_there(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mesh = new_mesh(manifests.pair())
    astray = {
        "command": ["python3", "-m", "http.server", "$(PORT)", "--bind", "127.0.0.1"],
        "ports": [{"name": "http", "containerPort": port}],
    }
    code, output = _apply(mesh, manifests.deployment("reviews", container=astray), "--no-wait")
    assert code == 0, output
    told = until(lambda: [text for text in mesh.client.get("/status")["waitingFor"] if "listens" in text])
    assert f"it listens on 127.0.0.1:{port}: let it listen on $HOST:$PORT (here 127." in told[0]


def test_a_program_that_is_not_there_is_told_with_its_folder(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    lost = {"command": ["python3", "lost.py"]}
    code, output = _apply(mesh, manifests.deployment("reviews", container=lost))
    assert code == 1
    assert "hint: lost.py is not in " in output
    assert "`workingDir`" in output


def test_a_relative_working_directory_is_below_the_folder_of_the_start(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    inside = {"workingDir": os.path.relpath(Path(manifests.echo).parent), "command": ["python", "echo.py"]}
    mesh = new_mesh(manifests.deployment("client") + manifests.service("reviews"))
    code, output = _apply(mesh, manifests.deployment("reviews", container=inside))
    assert code == 0, output
    assert mesh.get("http://reviews/").json() == "v1"

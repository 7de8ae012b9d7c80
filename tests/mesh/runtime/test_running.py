"""What runs, where, in which order, and what each process is told."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mesh.local.runtime import client
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State
from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests

NewMesh = Callable[[str], Running]
NAKED = {"sidecar.istio.io/inject": "false"}


def test_two_meshes_run_side_by_side(new_mesh: NewMesh, manifests: Manifests) -> None:
    one = new_mesh(manifests.pair(env={"VERSION": "one"}))
    two = new_mesh(manifests.pair(env={"VERSION": "two"}))
    assert one.get("http://reviews/").json() == "one"
    assert two.get("http://reviews/").json() == "two"
    blocks = {mesh.pod("reviews")["ip"].split(".")[1] for mesh in (one, two)}
    assert len(blocks) == 2


def test_a_process_is_told_its_place(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    pod = mesh.pod("reviews")
    env = mesh.get("http://reviews/env").json()
    assert (env["POD_IP"], env["POD_NAME"], env["POD_NAMESPACE"]) == (pod["ip"], pod["name"], "default")
    assert env["HOST"] not in ("", pod["ip"])
    assert env["PORT"] == "8080"
    assert env["HTTP_PROXY"] == env["http_proxy"] == f"http://{pod['egress']}"
    assert pod["ports"] == {"80": f"{pod['ip']}:8080", "8080": f"{pod['ip']}:8080"}


def test_a_pod_without_sidecar_listens_on_the_pod_ip(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair() + manifests.deployment("naked", annotations=NAKED))
    pod = mesh.pod("naked")
    assert (pod["egress"], pod["admin"]) == (None, None)
    env = httpx.get(f"http://{pod['ports']['8080']}/env").json()
    assert env["HOST"] == pod["ip"]


def test_jobs_run_before_and_after_what_waits_for_them(
    new_mesh: NewMesh, manifests: Manifests, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    def note(word: str) -> list[str]:
        return ["sh", "-c", f"echo {word} >> {trace}"]

    serve = ["sh", "-c", f"echo serving >> {trace}; exec python {manifests.echo}"]
    hooks = {"pre": {"helm.sh/hook": "pre-install"}, "post": {"helm.sh/hook": "post-install"}}
    new_mesh(
        manifests.job("post", note("post"), annotations=hooks["post"])
        + manifests.deployment("reviews", container={"command": serve})
        + manifests.job("second", note("second"), annotations={**hooks["pre"], "helm.sh/hook-weight": "5"})
        + manifests.job("first", note("first"), annotations=hooks["pre"])
    )
    assert trace.read_text().split() == ["first", "second", "serving", "post"]


def test_get_pods_fails_until_the_mesh_is_up(manifests: Manifests, new_mesh: NewMesh) -> None:
    mesh = new_mesh(manifests.pair())
    broken = manifests.deployment("reviews", env={"EXIT_AT_START": "1"})
    (mesh.files / "mesh.yaml").write_text(broken)
    mesh.stop()
    mesh.begin()
    until(lambda: "reviews" in mesh.starting())


def test_a_second_supervisor_on_one_folder_is_refused(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    code, output = mesh.command("up", "-f", str(mesh.files))
    assert code == 1
    assert "already runs" in output
    assert mesh.get("http://reviews/").status_code == 200


def test_of_two_starts_at_once_one_stays(tmp_path: Path, manifests: Manifests) -> None:
    mesh = Running(tmp_path)
    (mesh.files / "mesh.yaml").write_text(manifests.pair())
    try:
        with ThreadPoolExecutor(2) as pool:
            starts = [pool.submit(mesh.command, "up", "-d", "-f", str(mesh.files)) for _ in range(2)]
            ended = sorted(start.result() for start in starts)
        assert [code for code, _ in ended] == [0, 1]
        assert "already runs" in ended[1][1]
        assert mesh.get("http://reviews/").status_code == 200
    finally:
        mesh.close()


def test_a_mesh_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SHOWN_WITHIN_S", 0.1)
    state = State(tmp_path)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(state.socket))
        silent.listen()
        with pytest.raises(MeshError, match="has not answered within"):
            Client(state).get("/status")


def test_the_state_folder_and_the_socket_are_the_user_s_alone(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mesh = new_mesh(manifests.pair())
    assert mesh.state.folder.stat().st_mode & 0o777 == 0o700
    assert mesh.state.socket.stat().st_mode & 0o777 == 0o600
    for key in (mesh.state.ca / "root.key", *mesh.state.pods.glob("*/*/proxy/certs/*")):
        assert key.stat().st_mode & 0o777 == 0o600


def test_plain_text_from_outside_reaches_no_strict_port(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair() + manifests.strict())
    host, _, port = mesh.pod("reviews")["ports"]["80"].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert plain.recv(1) == b"", "answered in plain text"
    assert mesh.get("http://reviews/").status_code == 200


def test_the_commands_of_a_user(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    name = mesh.pod("reviews")["name"]
    code, output = mesh.command("get", "pods", "-o", "json")
    assert code == 0
    assert {
        "name",
        "namespace",
        "labels",
        "serviceAccount",
        "ip",
        "ports",
        "egress",
        "admin",
        "ready",
    } <= set(json.loads(output)[0])
    assert "listening as v1" in mesh.command("logs", f"default/{name}")[1]
    mesh.get("http://reviews/logged")
    until(lambda: "/logged" in mesh.command("logs", name, "-c", "istio-proxy")[1])
    assert mesh.command("logs", "nobody")[0] == 1
    (mesh.folder / "wrong.yaml").write_text(manifests.split(50).replace("weight", "wieght"))
    code, output = mesh.command("check", "-f", str(mesh.folder / "wrong.yaml"), state=False)
    assert code == 1
    assert "wieght" in output


def test_a_detached_start_returns_when_ready_and_tells_a_crash(tmp_path: Path, manifests: Manifests) -> None:
    mesh = Running(tmp_path)
    file = mesh.files / "mesh.yaml"
    try:
        file.write_text(manifests.deployment("reviews", env={"EXIT_AT_START": "1"}))
        code, output = mesh.command("up", "-d", "-f", str(mesh.files))
        assert code == 1
        assert "told to exit at start" in output
        assert not mesh.members()
        file.write_text(manifests.pair())
        code, output = mesh.command("up", "-d", "-f", str(mesh.files))
        assert code == 0
        assert mesh.get("http://reviews/").status_code == 200
        assert mesh.command("down")[0] == 0
        assert not mesh.members()
    finally:
        mesh.close()

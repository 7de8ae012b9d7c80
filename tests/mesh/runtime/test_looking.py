"""Looking at a mesh by the command line, as users of kubectl expect it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests

CLOSED = """---
apiVersion: v1
kind: Service
metadata: { name: closed }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 80, targetPort: 9999 }] }
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, manifests: Manifests) -> Iterator[Running]:
    made = Running(tmp_path_factory.mktemp("looking"))
    policy = manifests.denial("/secret")
    (made.files / "mesh.yaml").write_text(manifests.pair(replicas=2) + CLOSED + policy)
    try:
        made.start()
        yield made
    finally:
        made.close()


def _told(mesh: Running, *arguments: str) -> str:
    code, output = mesh.command(*arguments)
    assert code == 0, output
    return output


def test_pods_are_picked_by_name_and_namespace(mesh: Running) -> None:
    [first, second] = [pod["name"] for pod in mesh.pods("reviews")]
    assert second not in _told(mesh, "get", "pods", first)
    assert second in _told(mesh, "get", "pods", "-A")
    picked = json.loads(_told(mesh, "get", "pod", f"default/{first}", "-n", "default", "-o", "json"))
    assert [pod["name"] for pod in picked] == [first]
    code, output = mesh.command("get", "pods", "nobody")
    assert (code, 'pods "nobody" not found' in output) == (1, True)


def test_where_nothing_is_a_sentence_says_so(mesh: Running) -> None:
    assert _told(mesh, "get", "pods", "-n", "nowhere") == "no pods in namespace nowhere\n"
    assert _told(mesh, "get", "overrides") == "no overrides\n"
    assert json.loads(_told(mesh, "get", "services", "-n", "nowhere", "-o", "json")) == []


def test_wide_services_name_their_targets_and_pods(mesh: Running) -> None:
    table = _told(mesh, "get", "services", "-o", "wide")
    assert "80->http" in table
    assert all(pod["name"] in table for pod in mesh.pods("reviews"))


def test_routes_are_shown_in_words(mesh: Running) -> None:
    table = _told(mesh, "get", "routes")
    assert "connect_matcher" not in table
    assert "CONNECT (any host:port)" in table


def test_logs_end_where_they_are_told_to(mesh: Running) -> None:
    for path in ("one", "two", "three"):
        mesh.get(f"http://reviews/{path}")
    until(lambda: "/three" in _told(mesh, "logs", "client", "-c", "istio-proxy"))
    # Envoy may still be writing.
    until(
        lambda: (
            _told(mesh, "logs", "client", "-c", "istio-proxy", "--tail", "2").splitlines()
            == _told(mesh, "logs", "client", "-c", "istio-proxy").splitlines()[-2:]
        )
    )
    assert _told(mesh, "logs", "client", "-c", "istio-proxy", "--tail", "0") == ""
    assert len(_told(mesh, "logs", "client", "--tail", "1000").splitlines()) >= 1


def test_a_port_at_which_nobody_listens_is_explained_as_it_is(mesh: Running) -> None:
    assert mesh.get("http://closed/").status_code == 503
    told = json.loads(_told(mesh, "explain", "client", "GET", "http://closed/", "-o", "json"))
    assert (told["outcome"], told["status"]) == ("failed", 503)
    assert "declares port 9999" in told["reason"]


def test_what_a_policy_refuses_is_denied(mesh: Running) -> None:
    told = json.loads(_told(mesh, "explain", "client", "GET", "http://reviews/secret", "-o", "json"))
    assert (told["outcome"], told["status"]) == ("denied", 403)


def test_a_misspelt_host_is_named_with_the_right_one(mesh: Running) -> None:
    assert 'did you mean "reviews"?' in _told(mesh, "explain", "client", "GET", "http://reviws/")


def test_the_end_of_what_never_was_is_an_error(mesh: Running) -> None:
    never = mesh.folder / "never"
    code, output = mesh.command("down", "--state", str(never), state=False)
    assert (code, "no mesh was ever started there" in output) == (1, True)
    assert not never.exists()


def test_a_file_that_is_named_twice_counts_once(mesh: Running) -> None:
    file = str(mesh.files / "mesh.yaml")
    code, output = mesh.command("check", "-f", file, "-f", str(mesh.files), state=False)
    assert code == 0
    assert "5 objects are right, with 2 warnings." in output
    assert "warning: Service default/closed: spec.ports[0].targetPort" in output


def test_a_doubt_is_told_when_it_comes_and_when_its_object_is_said_again(
    mesh: Running, manifests: Manifests
) -> None:
    idle = mesh.folder / "idle.yaml"
    denial = manifests.denial("/x").replace("app: reviews", "app: nobody")
    idle.write_text(denial.replace("name: denial", "name: idle"))
    file = mesh.folder / "split.yaml"
    file.write_text(manifests.split(100))
    doubt = "AuthorizationPolicy default/idle"
    try:
        assert doubt in _told(mesh, "apply", "-f", str(idle))
        assert doubt not in _told(mesh, "apply", "-f", str(file))
        assert doubt in _told(mesh, "apply", "-f", str(idle))
    finally:
        mesh.command("delete", "-f", str(idle), "-f", str(file))


def test_a_container_without_a_command_is_refused_offline_too(mesh: Running, manifests: Manifests) -> None:
    file = mesh.folder / "image.yaml"
    file.write_text(manifests.deployment("image", container={"command": []}))
    code, output = mesh.command("check", "-f", str(file), state=False)
    assert code == 1
    assert "spec.template.spec.containers[0]: the container app has no command" in output
    file.write_text(
        manifests.deployment("probed", container={"readinessProbe": {"tcpSocket": {"port": "x"}}})
    )
    code, output = mesh.command("check", "-f", str(file), state=False)
    assert code == 1
    assert "readinessProbe.tcpSocket.port" in output


def test_what_cannot_be_read_has_no_line(mesh: Running) -> None:
    code, output = mesh.command("check", "-f", str(mesh.folder / "nope.yaml"), state=False)
    assert (code, "nope.yaml: error: " in output) == (1, True)
    code, output = mesh.command("check", "-f", "-", state=False)
    assert (code, "standard input: error: " in output, "is empty" in output) == (1, True, True)


def test_a_second_start_names_the_command_that_ends_the_first(mesh: Running) -> None:
    for options in ([], ["-d"]):
        code, output = mesh.command("up", "-f", str(mesh.files), *options)
        assert code == 1
        assert f"end it with `delinkcious mesh down --state {mesh.state.folder}`" in output


def test_a_refused_file_shows_in_the_status(mesh: Running, manifests: Manifests) -> None:
    told = _told(mesh, "status")
    assert told.startswith(f"A mesh runs in {mesh.state.folder} (process ")
    assert "is told where it was started" in told  # no file of the mesh has its output
    wrong = mesh.files / "wrong.yaml"
    wrong.write_text(manifests.split(50).replace("weight:", "wieght:"))
    until(lambda: mesh.client.get("/status")["refused"])
    code, output = mesh.command("status")
    assert (code, "NOT IN FORCE" in output, "wieght" in output) == (1, True, True)
    wrong.unlink()
    until(lambda: not mesh.client.get("/status")["refused"])
    assert mesh.command("status")[0] == 0


def test_the_topology_names_pods_splits_and_allowed_callers(mesh: Running) -> None:
    told = mesh.client.get("/topology")
    assert {(pod["app"], pod["version"], pod["ready"]) for pod in told["pods"]} == {
        ("client", "v1", True),
        ("reviews", "v1", True),
    }
    assert told["splits"] == []
    assert told["allowed"] == []


def test_the_parts_of_a_proxy_name_the_lines_they_come_from(mesh: Running) -> None:
    pod = mesh.pod("reviews")
    parts = mesh.client.get("/origins", pod=pod["name"], namespace="default")
    [policy] = [part for part in parts["policies"] if "denial" in part["name"]]
    [place] = policy["places"]
    lines = (mesh.files / "mesh.yaml").read_text().splitlines()
    assert "AuthorizationPolicy" in "".join(lines[place["line"] - 1 : place["line"] + 4])
    assert policy["about"] == "DENY: 1 rule"
    [cluster] = [part for part in parts["clusters"] if part["name"].startswith("outbound|80||reviews.")]
    assert cluster["places"][0]["resource"] == "Service default/reviews"
    assert cluster["about"] == "2 pods, mutual TLS"
    assert any(part["about"].startswith("inbound http of Service reviews:80") for part in parts["listeners"])

"""Changes of a running mesh: effective everywhere or nowhere, and without a lost request."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mesh.local.runtime.errors import MeshError
from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests

NewMesh = Callable[[str], Running]


class Load:
    """Requests without a pause from several threads, over kept-alive connections, until it is left."""

    def __init__(self, client: Callable[[], httpx.Client], url: str, threads: int = 3) -> None:
        self.answers: Counter[str] = Counter()
        self._client, self._url = client, url
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._threads = threads

    def __enter__(self) -> Load:
        self._tasks = [self._pool.submit(self._send) for _ in range(self._threads)]
        until(lambda: self.answers.total() >= self._threads)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for task in self._tasks:
            task.result()

    def _send(self) -> None:
        with self._client() as client:
            while not self._ended.is_set():
                answer = client.get(self._url)
                self.answers[answer.text if answer.status_code == 200 else f"{answer.status_code}"] += 1

    @property
    def failed(self) -> dict[str, int]:
        return {text: count for text, count in self.answers.items() if not text.startswith('"')}


def _edits(mesh: Running, manifests: Manifests, count: int, load: Load) -> None:
    """Send all to one version and all to the other in turn, each time until that one answers."""
    file = mesh.files / "split.yaml"
    for number in range(count):
        before = mesh.output.count("effective after")
        share = number % 2 * 100
        file.write_text(manifests.split(share))
        until(lambda before=before: mesh.output.count("effective after") > before)  # type: ignore[misc]
        answered = load.answers['"v1"' if share else '"v2"']
        until(lambda share=share, seen=answered: load.answers['"v1"' if share else '"v2"'] > seen)  # type: ignore[misc]


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_edits_of_the_split_lose_no_request(new_mesh: NewMesh, manifests: Manifests, count: int) -> None:
    mesh = new_mesh(manifests.versions())
    mesh.apply(manifests.split(100))
    (mesh.files / "split.yaml").write_text("# nothing yet\n")
    with Load(lambda: mesh.from_pod("client"), "http://reviews/") as load:
        _edits(mesh, manifests, count, load)
    assert load.failed == {}
    assert set(load.answers) == {'"v1"', '"v2"'}


def test_an_edit_does_not_wait_for_connections_that_an_earlier_one_ends(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mesh = new_mesh(manifests.versions() + manifests.split(100))
    (mesh.files / "denial.yaml").write_text(manifests.denial("/secret"))
    until(lambda: mesh.get("http://reviews/secret").status_code == 403)
    (mesh.files / "mesh.yaml").write_text(manifests.versions() + manifests.split(0))
    said = "virtualservice/reviews configured", "authorizationpolicy/denial created"
    until(lambda: all(words in mesh.output for words in said))
    first, last = (mesh.output.index(words) for words in said)
    assert first < last, "it is told when its connections have ended"


def test_the_split_follows_the_file(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.versions())
    mesh.apply(manifests.split(0))
    with mesh.from_pod("client") as client:
        assert {client.get("http://reviews/").json() for _ in range(20)} == {"v2"}


def test_a_wrong_file_changes_nothing_and_is_named(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.versions())
    mesh.apply(manifests.split(100))
    versions = [pod["configVersion"] for pod in mesh.client.get("/get/pods")]
    wrong = manifests.split(50).replace("weight:", "wieght:")
    with pytest.raises(MeshError, match=r"applied.yaml:\d+: error: VirtualService default/reviews: .*wieght"):
        mesh.apply(wrong)
    (mesh.files / "wrong.yaml").write_text(wrong)
    until(lambda: "wrong.yaml" in mesh.output and "nothing was changed" in mesh.output)
    assert [pod["configVersion"] for pod in mesh.client.get("/get/pods")] == versions
    assert mesh.get("http://reviews/").json() == "v1"


def test_a_policy_reaches_connections_that_are_open(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    with mesh.from_pod("client") as client:
        assert client.get("http://reviews/secret").status_code == 200
        mesh.apply(manifests.denial("/secret"))
        assert client.get("http://reviews/secret").status_code == 403
        mesh.delete(manifests.denial("/secret"))
        assert client.get("http://reviews/secret").status_code == 200


def test_the_last_word_wins_and_outlives_a_restart(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.versions() + manifests.split(100))
    mesh.apply(manifests.split(0))
    mesh.stop()
    mesh.start()
    assert mesh.get("http://reviews/").json() == "v2", "applied stands above its file"
    text = manifests.versions() + manifests.split(100).replace("weight: 100", "weight: 99", 1)
    (mesh.files / "mesh.yaml").write_text(text)
    assert until(lambda: mesh.get("http://reviews/").json() == "v1"), "the file has spoken last"


def test_two_applies_at_once_are_both_in_force(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.versions())
    with ThreadPoolExecutor(2) as pool:
        texts = [manifests.denial("/secret"), manifests.split(0)]
        for task in [pool.submit(mesh.apply, text) for text in texts]:
            task.result()
    assert mesh.get("http://reviews/secret").status_code == 403
    assert mesh.get("http://reviews/").json() == "v2"


def test_a_rolling_restart_loses_no_request(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    old = mesh.pod("reviews")["name"]
    with Load(lambda: mesh.from_pod("client"), "http://reviews/") as load:
        mesh.client.post("/restart", {"namespace": "default", "name": "reviews"})
    assert load.failed == {}
    assert mesh.pod("reviews")["name"] != old
    assert len(mesh.pods("reviews")) == 1


def test_a_restarted_gateway_sends_its_clients_to_the_next(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair() + manifests.gateway())
    old = mesh.pod("gate")["name"]
    with Load(mesh.from_outside, "/", threads=6) as load:
        mesh.client.post("/restart", {"namespace": "default", "name": "gate"})
    assert load.failed == {}
    assert mesh.pod("gate")["name"] != old


def test_a_restarted_gateway_answers_who_had_connected_but_not_asked_yet(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mesh = new_mesh(manifests.pair() + manifests.gateway())
    old, ip = mesh.pod("gate")["name"], mesh.pod("gate")["ip"]
    with socket.create_connection((ip, 8080)) as waiting, ThreadPoolExecutor(1) as pool:
        restarted = pool.submit(mesh.client.post, "/restart", {"namespace": "default", "name": "gate"})
        until(lambda: refuses(ip, 8080))
        waiting.sendall(b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n")
        answer = waiting.recv(65_536)
        restarted.result()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nconnection: close\r\n" in answer
    assert mesh.pod("gate")["name"] != old


def refuses(ip: str, port: int) -> bool:
    try:
        socket.create_connection((ip, port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_new_certificates_for_all_are_shown_at_once_and_lose_no_request(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mesh = new_mesh(manifests.pair() + manifests.strict())
    before = serials(mesh)
    with Load(lambda: mesh.from_pod("client"), "http://reviews/") as load:
        for _ in range(5):
            code, said = mesh.command("rotate")
            assert code == 0, said
            assert not before & serials(mesh)
            before |= serials(mesh)
    assert load.failed == {}
    assert "proxies show new certificates" in said


def serials(mesh: Running) -> set[str]:
    """Of the certificates that the Envoys show."""
    found = set()
    for pod in mesh.client.get("/get/pods"):
        shown = httpx.get(f"http://{pod['admin']}/certs", trust_env=False).json()["certificates"]
        found |= {chain["serial_number"] for one in shown for chain in one["cert_chain"]}
    assert found
    return found


def test_scaling_adds_and_removes_pods_and_loses_no_request(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    with Load(lambda: mesh.from_pod("client"), "http://reviews/") as load:
        for replicas in (3, 1):
            mesh.client.post("/scale", {"namespace": "default", "name": "reviews", "replicas": replicas})
            assert len(mesh.pods("reviews")) == replicas
    assert load.failed == {}


def test_an_edited_template_rolls_out(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    with Load(lambda: mesh.from_pod("client"), "http://reviews/") as load:
        (mesh.files / "mesh.yaml").write_text(manifests.pair(env={"VERSION": "edited"}))
        until(lambda: load.answers['"edited"'])
    assert load.failed == {}


def test_a_changed_config_map_reaches_the_files_of_running_pods(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mounted = {"volumeMounts": [{"name": "files", "mountPath": "/etc/settings"}]}
    volumes = {"volumes": [{"name": "files", "configMap": {"name": "settings"}}]}
    env = {"FILE": "/etc/settings/greeting"}
    text = manifests.pair(container=mounted, spec=volumes, env=env)
    mesh = new_mesh(text + manifests.config_map("settings", greeting="hello"))
    path = mesh.get("http://reviews/env").json()["FILE"]
    before = mesh.pid("reviews")
    assert mesh.get(f"http://reviews/file?{path}").json() == "hello"
    mesh.apply(manifests.config_map("settings", greeting="good evening"))
    assert mesh.get(f"http://reviews/file?{path}").json() == "good evening"
    assert mesh.pid("reviews") == before


def test_an_apply_may_take_the_place_of_what_was_applied_before(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mesh = new_mesh(manifests.pair())
    mesh.apply(manifests.denial("/secret"))
    document = {"file": "applied.yaml", "text": manifests.denial("/other").replace("denial", "next")}
    key = ["AuthorizationPolicy", "default", "denial"]
    told = mesh.client.post("/apply", {"documents": [document], "instead_of": [key]})
    assert {change.split()[1] for change in told["changes"]} == {"deleted", "created"}
    assert mesh.get("http://reviews/secret").status_code == 200
    assert mesh.get("http://reviews/other").status_code == 403

"""An object is read with its version, and written only while it still has that."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import Conflict, MeshError
from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests

NewMesh = Callable[[str], Running]
Json = dict[str, Any]
SPLIT = {"kind": "VirtualService", "namespace": "default", "name": "reviews"}


def weighted(found: Json, first: int) -> Json:
    """The object with other weights, under the version that it was read with."""
    made: Json = json.loads(json.dumps(found["object"]))
    for to, weight in zip(made["spec"]["http"][0]["route"], (first, 100 - first), strict=True):
        to["weight"] = weight
    return made


def weights(found: Json) -> list[int]:
    return [to["weight"] for to in found["object"]["spec"]["http"][0]["route"]]


@pytest.fixture
def mesh(new_mesh: NewMesh, manifests: Manifests) -> Running:
    return new_mesh(manifests.versions() + manifests.split(100))


def test_an_object_is_written_under_the_version_it_was_read_with_and_no_older_one(
    mesh: Running, manifests: Manifests
) -> None:
    first = mesh.client.get("/object", **SPLIT)
    assert first["object"]["metadata"]["resourceVersion"] == first["resourceVersion"]

    answer = mesh.apply(json.dumps(weighted(first, 0)))

    assert answer["written"] == [mesh.client.get("/object", **SPLIT)]
    assert weights(answer["written"][0]) == [0, 100]
    assert mesh.get("http://reviews/").json() == "v2"
    with pytest.raises(Conflict, match=r'virtualservice "reviews" in namespace default: .* modified; please'):
        mesh.apply(json.dumps(weighted(first, 50)))
    back = mesh.apply(json.dumps(weighted(answer["written"][0], 100)))
    assert back["written"][0]["resourceVersion"] == first["resourceVersion"], "it is of the content alone"
    assert mesh.client.get("/get/overrides") == []
    assert mesh.apply(manifests.split(50))["written"] == [], "no version, no condition"


def test_of_writers_at_one_time_exactly_one_wins(mesh: Running) -> None:
    found = mesh.client.get("/object", **SPLIT)

    def write(first: int) -> str:
        try:
            document = {"file": "writer", "text": json.dumps(weighted(found, first))}
            Client(mesh.state).post("/apply", {"documents": [document]})
        except Conflict:
            return "conflict"
        return str(first)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(write, (10, 20, 30, 40)))
    [winner] = [word for word in done if word != "conflict"]
    assert weights(mesh.client.get("/object", **SPLIT))[0] == int(winner)


def test_one_object_that_has_changed_keeps_the_whole_request_from_being_applied(
    mesh: Running, manifests: Manifests
) -> None:
    stale = weighted(mesh.client.get("/object", **SPLIT), 30)
    mesh.apply(manifests.split(60))
    with pytest.raises(Conflict):
        mesh.apply(manifests.config_map("beside", key="value") + "---\n" + json.dumps(stale))
    with pytest.raises(MeshError, match='configmap "beside" not found in namespace default'):
        mesh.client.get("/object", kind="ConfigMap", namespace="default", name="beside")


def test_what_somebody_saves_in_a_watched_file_is_not_written_over(
    mesh: Running, manifests: Manifests
) -> None:
    read = weighted(mesh.client.get("/object", **SPLIT), 10)
    (mesh.files / "mesh.yaml").write_text(manifests.versions() + manifests.split(70))
    with pytest.raises(Conflict):  # whether the mesh has taken the file over by then or not
        mesh.apply(json.dumps(read))
    until(lambda: weights(mesh.client.get("/object", **SPLIT)) == [70, 30])


def test_an_object_that_is_gone_is_not_made_anew_under_its_old_version(mesh: Running) -> None:
    text = json.dumps(weighted(mesh.client.get("/object", **SPLIT), 10))
    mesh.delete(text)
    with pytest.raises(Conflict, match="does not exist any more"):
        mesh.apply(text)


def test_a_deployment_is_read_with_the_number_of_pods_it_was_scaled_to(mesh: Running) -> None:
    where = {"kind": "Deployment", "namespace": "default", "name": "reviews-v2"}
    before = mesh.client.get("/object", **where)
    mesh.client.post("/scale", {"namespace": "default", "name": "reviews-v2", "replicas": 0})
    after = mesh.client.get("/object", **where)
    assert (before["object"]["spec"]["replicas"], after["object"]["spec"]["replicas"]) == (1, 0)
    with pytest.raises(Conflict):
        mesh.apply(json.dumps(before["object"]))


def test_the_command_line_says_why_and_the_socket_names_the_reason(
    mesh: Running, manifests: Manifests
) -> None:
    stale = json.dumps(weighted(mesh.client.get("/object", **SPLIT), 30))
    mesh.apply(manifests.split(60))
    (mesh.folder / "stale.json").write_text(stale)
    code, output = mesh.command("apply", "-f", str(mesh.folder / "stale.json"))
    assert code == 1
    assert "has been modified; please apply your changes to the latest version" in output
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(mesh.state.socket))) as client:
        answer = client.post("http://mesh/apply", json={"documents": [{"file": "stale.json", "text": stale}]})
        missing = client.get("http://mesh/object", params={**SPLIT, "name": "nothing"})
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert (missing.status_code, missing.json()["reason"]) == (404, "NotFound")

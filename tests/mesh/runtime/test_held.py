"""What is held over the watched files: told, listed, explained where it goes wrong, and let go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.local.runtime.errors import MeshError
from tests.mesh.runtime.conftest import Running
from tests.mesh.runtime.manifests import Manifests

NewMesh = Callable[[str], Running]


def _held(mesh: Running) -> list[tuple[str, str, str]]:
    code, output = mesh.command("get", "overrides", "-o", "json")
    assert code == 0, output
    return [(one["kind"], one["name"], one["what"]) for one in json.loads(output)]


def _file(mesh: Running, name: str, text: str) -> str:
    (mesh.folder / name).write_text(text)
    return str(mesh.folder / name)


def test_what_is_held_is_listed_and_let_go(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.versions() + manifests.split(100))
    mesh.apply(manifests.split(0))
    mesh.client.post("/scale", {"namespace": "default", "name": "client", "replicas": 2})
    assert _held(mesh) == [("Deployment", "client", "scaled to 2"), ("VirtualService", "reviews", "applied")]

    code, output = mesh.command("reset", "virtualservice/reviews")
    assert (code, "virtualservice/reviews reset" in output) == (0, True), output
    assert mesh.get("http://reviews/").json() == "v1", "the file rules again"
    code, output = mesh.command("reset", "--all")
    assert (code, "deployment/client rolled out" in output) == (0, True), output
    assert len(mesh.pods("client")) == 1
    assert _held(mesh) == []


def test_a_start_tells_what_is_held_and_a_mesh_that_is_down_can_let_it_go(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mesh = new_mesh(manifests.pair())
    mesh.apply(manifests.denial("/secret"))
    mesh.client.post("/scale", {"namespace": "default", "name": "client", "replicas": 0})
    mesh.stop()
    mesh.start()
    told = (
        "2 objects held over the files by an earlier apply/delete/scale: AuthorizationPolicy default/denial"
    )
    assert told in mesh.output
    mesh.stop()

    assert len(_held(mesh)) == 2
    code, output = mesh.command("reset", "denial", "deploy/client")
    assert (code, "from the next start on" in output) == (0, True), output
    mesh.start()
    assert mesh.output.count("held over the files") == 1
    assert mesh.get("http://reviews/secret").status_code == 200


def test_what_a_file_names_is_let_go_and_the_rest_is_told(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    mesh.apply(manifests.denial("/secret"))
    file = _file(mesh, "denial.yaml", manifests.denial("/other") + manifests.strict())
    code, output = mesh.command("reset", "-f", file)
    assert code == 0, output
    assert "peerauthentication/default is not held" in output
    assert "authorizationpolicy/denial reset" in output
    assert mesh.get("http://reviews/secret").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["virtualservice/none"], 1, "not held over the files; held: authorizationpolicy/denial"),
        (["authorizationpolicies/denial", "-n", "other"], 1, "is held in default, not in other"),
        ([], 2, "say what is to be reset"),
        (["--all", "ap/denial"], 2, "say what is to be reset"),
    ],
)
def test_a_reset_that_means_nothing_says_so(
    held_mesh: Running, arguments: list[str], code: int, words: str
) -> None:
    told = held_mesh.command("reset", *arguments)
    assert (told[0], words in told[1]) == (code, True), told


@pytest.fixture(scope="module")
def held_mesh(tmp_path_factory: pytest.TempPathFactory, manifests: Manifests) -> Running:
    """A mesh that is down and holds a policy."""
    mesh = Running(tmp_path_factory.mktemp("held"))
    (mesh.files / "mesh.yaml").write_text(manifests.pair())
    try:
        mesh.start()
        mesh.apply(manifests.denial("/secret"))
    finally:
        mesh.close()
    return mesh


def test_an_apply_over_a_file_says_that_it_holds(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.versions() + manifests.split(100))
    code, output = mesh.command("apply", "-f", _file(mesh, "split.yaml", manifests.split(0)))
    assert code == 0, output
    assert "held over the watched files until their text changes" in output
    assert "virtualservice/reviews" in output.splitlines()[-1]
    code, output = mesh.command("apply", "-f", _file(mesh, "new.yaml", manifests.denial("/secret")))
    assert (code, "held over" in output) == (0, False), "no file has it"


def test_applying_the_very_text_of_the_file_lets_it_rule(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.versions() + manifests.split(100))
    mesh.apply(manifests.split(0))
    mesh.apply(manifests.split(100))
    assert _held(mesh) == []


def test_an_error_of_a_held_object_says_where_it_comes_from(
    new_mesh: NewMesh, manifests: Manifests, tmp_path: Path
) -> None:
    mesh = new_mesh(manifests.versions() + manifests.split(50))
    rule = manifests.split(50).split("---\n")[2]
    mesh.delete("---\n" + manifests.split(50).split("---\n")[1])
    mesh.apply("---\n" + manifests.split(10).split("---\n")[1])
    with pytest.raises(MeshError) as refused:
        mesh.delete("---\n" + rule)
    told = str(refused.value)
    assert "the form that an earlier `mesh apply` holds over the files" in told
    assert "`delinkcious mesh reset virtualservice/reviews` lets them rule" in told

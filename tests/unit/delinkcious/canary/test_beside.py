"""What is shown beside a journal: pods that are not ready, a mesh that is down, and else nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from delinkcious.__main__ import main
from delinkcious.canary import beside
from delinkcious.canary.beside import Beside, kind, unready
from mesh.canary.local import LocalPlatform
from mesh.canary.platform import Away, Pod
from mesh.canary.views.following import read
from mesh.local.runtime.state import State
from tests.unit.mesh.canary.runs import journals


def pod(*, ready: bool = False, restarts: int = 0, trouble: str = "", deployment: str = "links-v2") -> Pod:
    return Pod("links-v2-1", deployment, ready, None, restarts, trouble)


@pytest.mark.parametrize(
    ("wanted", "pods", "told"),
    [
        (1, [pod(trouble="exit code 1", restarts=7)], ["links-v2: 0 of 1 ready: exit code 1, 7 restarts"]),
        (2, [pod(ready=True), pod(restarts=1)], ["links-v2: 1 of 2 ready: 1 restart"]),
        (1, [], ["links-v2: 0 of 1 ready"]),
        (1, [pod(ready=True)], []),
        (0, [], []),
    ],
)
def test_pods_that_are_not_ready_are_told_with_their_trouble(
    wanted: int, pods: list[Pod], told: list[str]
) -> None:
    assert unready("links-v2", wanted, pods) == told


def test_another_restart_is_no_news() -> None:
    one, other = (
        "links-v2: 0 of 1 ready: exit code 1, 7 restarts",
        "links-v2: 0 of 1 ready: exit code 1, 8 restarts",
    )
    assert kind(one) == kind(other) != kind("links-v2: 1 of 2 ready")


def test_a_run_whose_pods_crash_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pods(*_: object) -> list[Pod]:
        return [pod(restarts=3, trouble="exit code 1"), pod(ready=True, deployment="links-v2-other")]

    monkeypatch.setattr(LocalPlatform, "pods", pods)
    path = journals.write(tmp_path / "canary", "running")
    done = CliRunner().invoke(main, ["canary", "status", "links", "--state", str(tmp_path)])
    assert "links-v2: 0 of 1 ready: exit code 1, 3 restarts" in done.stdout
    assert Beside(path, State(tmp_path))(read(path)) == ["links-v2: 0 of 1 ready: exit code 1, 3 restarts"]


def test_a_mesh_that_is_down_is_told(tmp_path: Path) -> None:
    journals.write(tmp_path / "canary", "running")
    done = CliRunner().invoke(main, ["canary", "status", "links", "--state", str(tmp_path)])
    assert done.exit_code == 0
    assert f"no mesh runs in {tmp_path}: the run goes on when one does" in done.stdout


def test_a_mesh_that_fails_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = journals.write(tmp_path / "canary", "running")
    for error in (Away("still starting"), TimeoutError()):

        async def fails(*_: object, error: Exception = error) -> list[Pod]:
            raise error

        monkeypatch.setattr(beside, "_pods", fails)
        assert Beside(path, State(tmp_path))(read(path)) == []


def test_no_mesh_is_asked_of_what_ended_or_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> list[str]:
        raise AssertionError("somebody asked")

    monkeypatch.setattr(beside, "_said", asked)
    ended = journals.write(tmp_path / "canary", "promoted")
    assert Beside(ended, State(tmp_path))(read(ended)) == []
    elsewhere = journals.write(tmp_path / "other", "running")
    assert Beside(elsewhere, State(tmp_path))(read(elsewhere)) == []
    assert Beside(elsewhere, None)(read(elsewhere)) == []

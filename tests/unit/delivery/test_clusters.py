"""The steps to a cluster: in order, safe to repeat, clear about what is missing; the programs are none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from delinkcious import chart
from deploy.clusters import installation
from deploy.clusters.__main__ import main
from tests.unit.delivery.programs import ALL, Programs, releases

SPLITS = ["link-checker", "links", "news", "social-graph", "users", "web"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Programs]:
    def on_path(*without: str) -> Programs:
        made = Programs.made(tmp_path / "bin", *without)
        # Theirs come first; the shell's own programs are what they are written with.
        plain = tmp_path / "plain"
        plain.mkdir()
        for name in ("sh", "cat", "grep", "sed", "base64", "basename", "dirname", "rm", "printf"):
            found = next(
                folder / name for folder in map(Path, ("/bin", "/usr/bin")) if (folder / name).exists()
            )
            (plain / name).symlink_to(found)
        monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{plain}")
        return made

    return on_path


def first(calls: list[str], start: str) -> int:
    return next(place for place, call in enumerate(calls) if call.startswith(start))


@pytest.mark.parametrize("cluster", ["kind", "minikube"])
def test_each_step_comes_behind_what_it_needs(
    programs: Callable[..., Programs], cluster: str, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = programs()
    assert main([cluster, "up"]) == 0
    made = calls.calls()
    order = [
        "docker info",
        "kind create cluster" if cluster == "kind" else "minikube start",
        "docker build --target app",
        "kind load docker-image" if cluster == "kind" else "minikube image load",
        "helm upgrade --install istio-base base",
        "helm upgrade --install istio-cni cni",
        "helm upgrade --install istiod istiod",
        "kubectl apply -f -",
        "kubectl apply --server-side -f",
        "kubectl create -f",
        "kubectl apply -k",
        "helm upgrade --install delinkcious",
        "helm test delinkcious",
    ]
    places = [first(made, start) for start in order]
    assert places == sorted(places)
    assert [Path(call.split()[-1]).stem for call in made if call.startswith("kubectl create -f /")] == SPLITS
    said = capfd.readouterr().out
    assert "https://localhost:8443" in said and "port-forward" in said


def test_istio_has_one_version_and_the_charts_own_settings(programs: Callable[..., Programs]) -> None:
    calls = programs()
    assert main(["kind", "up"]) == 0
    installed = [call for call in calls.calls() if "--repo" in call]
    assert len(installed) == 3
    assert all(f"--version {installation.ISTIO} " in call and "--wait" in call for call in installed)


def test_a_second_run_repeats_what_repairs_and_creates_nothing(programs: Callable[..., Programs]) -> None:
    calls = programs()
    assert main(["kind", "up"]) == 0
    before = calls.calls()
    assert main(["kind", "up"]) == 0
    after = calls.calls()
    assert not [call for call in after if call.startswith(("kind create", "kubectl create"))]
    assert "docker start delinkcious-control-plane" in after
    assert releases(after) == releases(before) == ["istio-base", "istio-cni", "istiod", "delinkcious"]
    # The same image has the same name: no pod is made anew.
    assert [call for call in after if "image.tag" in call] == [call for call in before if "image.tag" in call]
    calls.content("fedcba9876543210")
    assert main(["kind", "up"]) == 0
    (installed,) = [call for call in calls.calls() if "image.tag" in call]
    assert "image.tag=fedcba987654 " in installed


def test_an_image_that_minikube_has_is_not_sent_again(programs: Callable[..., Programs]) -> None:
    calls = programs()
    assert main(["minikube", "up"]) == 0
    assert len([call for call in calls.calls() if call.startswith("minikube image load")]) == 2
    assert main(["minikube", "up"]) == 0
    loaded = [call for call in calls.calls() if call.startswith("minikube image load")]
    assert loaded == []


@pytest.mark.parametrize("piece", ["kind create", "docker build", "istiod", "links.yaml", "image.tag"])
def test_a_run_that_failed_says_where_and_the_next_one_goes_on(
    programs: Callable[..., Programs], piece: str, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = programs()
    calls.fail(piece)
    assert main(["kind", "up"]) == 1
    assert piece in calls.calls()[-1], "nothing comes behind a step that failed"
    said = capfd.readouterr().err
    assert "ended with 1" in said and piece in said
    assert main(["kind", "up"]) == 0
    assert calls.calls()[-1].startswith("helm test")


@pytest.mark.parametrize("missing", [name for name in ALL if name != "minikube"])
def test_a_missing_program_is_named_with_its_use_and_its_source(
    programs: Callable[..., Programs], missing: str, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = programs(missing)
    assert main(["kind", "up"]) == 1
    assert calls.calls() == []
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "get it from https://" in line]
    assert line.split()[0] == missing


def test_all_that_is_missing_is_named_at_once(
    programs: Callable[..., Programs], capfd: pytest.CaptureFixture[str]
) -> None:
    programs("minikube", "helm")
    assert main(["minikube", "up"]) == 1
    said = capfd.readouterr().err
    assert "minikube" in said and "helm" in said and "docker" not in said


def test_a_docker_without_its_daemon_is_told_from_none(
    programs: Callable[..., Programs], capfd: pytest.CaptureFixture[str]
) -> None:
    calls = programs()
    (calls.folder / "no-daemon").touch()
    assert main(["kind", "up"]) == 1
    assert "its daemon does not answer" in capfd.readouterr().err
    assert calls.calls() == ["docker info --format {{.ServerVersion}}"]


def test_the_namespace_is_one_of_the_mesh_and_restricted(programs: Callable[..., Programs]) -> None:
    calls = programs()
    assert main(["kind", "up"]) == 0
    (namespace,) = [each for each in yaml.safe_load_all(calls.given()) if each]
    assert namespace["metadata"]["labels"] == {
        "istio-injection": "enabled",
        "pod-security.kubernetes.io/enforce": "restricted",
    }


def test_down_deletes_the_cluster_and_nothing_else(programs: Callable[..., Programs]) -> None:
    calls = programs()
    assert main(["kind", "down"]) == 0
    assert calls.calls() == ["kind delete cluster --name delinkcious"]


@pytest.mark.parametrize("arguments", [[], ["kind"], ["kind", "sideways"], ["k3s", "up"]])
def test_what_nobody_knows_is_answered_by_the_usage(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "kind|minikube" in capfd.readouterr().err


def test_the_chart_takes_the_values_of_a_cluster() -> None:
    def over(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
        both = {**lower, **upper}
        shared = {key for key in lower.keys() & upper.keys() if isinstance(lower[key], dict)}
        return both | {key: over(lower[key], upper[key]) for key in shared}

    below, above = (yaml.safe_load(file.read_text()) for file in installation.VALUES)
    made = [each for each in yaml.safe_load_all(chart.render(over(below, above))) if each]
    names = {(each["kind"], each["metadata"]["name"]) for each in made}
    for needed in ("canary", "canary-load", "prometheus", "jaeger", "links-v1", "ingressgateway"):
        assert ("Deployment", needed) in names
    assert {("Secret", "delinkcious-ca"), ("Secret", "delinkcious-tls")} <= names
    # What the made traffic signs up with, and the authority that it trusts.
    (secret,) = [
        each for each in made if each["metadata"]["name"] == "canary-load" and each["kind"] == "Secret"
    ]
    assert set(secret["stringData"]) == {"password", "ca.crt"}

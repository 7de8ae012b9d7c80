"""`delinkcious canary --kubernetes`: what it asks for, what it shows, and journals through the API server."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from delinkcious.commands.canary import canary
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.kubelet import Kubelet
from tests.integration.kubernetes.waiting import until
from tests.integration.mesh.canary.kubernetes.controllers import Start
from tests.integration.mesh.canary.kubernetes.service import QUICK, Service

Command = Callable[..., Result]


@pytest.fixture
def command(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(canary, [*arguments, "--kubernetes", "--namespace", namespace])

    return run


def address() -> str:
    """One of this machine's that is no loopback address: those may not stand in an Endpoints object."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))  # sends nothing
            found = str(one.getsockname()[0])
        except OSError:
            found = ""
    if not found or found.startswith("127."):
        pytest.skip("this machine has only loopback addresses")
    return found


def expose(service: Service, host: str, port: int) -> None:
    """The chart's Service, with a pod that has this machine's address."""
    core = f"/api/v1/namespaces/{service.namespace}"
    labels = {"app": "canary"}
    spec: dict[str, Any] = {"selector": labels, "ports": [{"name": "http", "port": 8080, "targetPort": port}]}
    service.cluster.post(f"{core}/services", {"metadata": {"name": "canary"}, "spec": spec})
    metadata = {"name": "canary", "labels": labels, "annotations": {Kubelet.ADDRESS: host}}
    containers = [{"name": "canary", "image": "canary:1"}]
    # An account would have to be there first.
    spec = {"containers": containers, "automountServiceAccountToken": False}
    service.cluster.post(f"{core}/pods", {"metadata": metadata, "spec": spec})


def test_a_run_is_asked_for_shown_and_taken_back(service: Service, start: Start, command: Command) -> None:
    start("one")
    gates = [{"type": "manual", "name": "qa", "at": "step"}]
    service.cluster.post(service.rollouts, service.rollout(**QUICK, gates=gates))
    assert "no run yet" in command("status").output

    began = command("start", "links", "--set", "env.RANK=two")
    assert began.exit_code == 0, began.output
    run = service.status()["run"]
    assert f"links: run {run} begins" in began.output
    again = command("start", "links", "--set", "env.RANK=two")
    assert again.exit_code != 0
    assert "has a run already" in again.output

    until(lambda: "gate qa" in command("status", "links").output, 90)
    wrong = command("approve", "links", "lab")
    assert wrong.exit_code != 0
    assert "no manual gate 'lab': there are qa" in wrong.output
    assert command("pause", run).exit_code == 0
    until(lambda: bool(service.status()["paused"]))
    another = command("start", "links", "--set", "env.RANK=three", "--replace")
    assert f"run {run} is taken back" in another.output
    assert another.exit_code == 0, another.output
    assert service.status()["run"] != run
    assert command("abort", "links").exit_code == 0
    until(lambda: service.status().get("verdict") == "aborted")
    [told] = json.loads(command("status", "-o", "json").output)
    assert (told["name"], told["phase"], told["weight"]) == ("links", "aborted", 0)
    late = command("resume", "links")
    assert "has ended" in late.output
    unknown = command("pause", "news")
    assert "no Rollout object is of 'news': there are links" in unknown.output


def test_what_the_rollout_object_says_is_not_said_on_the_command_line(command: Command) -> None:
    assert command("start", "links", "--dry-run").exit_code == 2


def test_journals_are_read_through_the_api_server(
    service: Service, start: Start, command: Command, runs: Path
) -> None:
    host = address()
    process = start("one", errors=0.2, host=host)
    until(lambda: process.drives)
    expose(service, host, process.port)
    until(lambda: "There is no run yet" in command("history").output)
    service.cluster.post(service.rollouts, service.rollout(**QUICK))
    assert command("start", "links", "--set", "env.RANK=two").exit_code == 0
    watched = command("watch", "links")
    assert watched.exit_code == 1, watched.output
    assert "rolled back" in watched.output
    run = service.status()["run"]
    assert "rolled back" in command("explain", "links").output
    replayed = command("replay", run)
    assert replayed.exit_code == 0
    assert "all identical" in replayed.output
    listed = json.loads(command("history", "-o", "json").output)
    assert [one["run"] for one in listed] == [run]
    assert "no run and no service" in command("explain", "news").output

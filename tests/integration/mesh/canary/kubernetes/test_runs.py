"""Whole runs on a real API server: asked for by annotations, promoted, rolled back, killed in the middle."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from mesh.canary.runs.journal import Commanded
from mesh.canary.views.following import read
from tests.integration.kubernetes.waiting import until
from tests.integration.mesh.canary.kubernetes.controllers import Process, Start
from tests.integration.mesh.canary.kubernetes.service import QUICK, Service, asked, ended


def test_a_canary_that_is_as_good_is_promoted(service: Service, start: Start, runs: Path) -> None:
    process = start("one")
    asked(service)
    found = ended(service)
    assert (found["verdict"], found["phase"], found["weight"]) == ("promoted", "promoted", 100), found
    assert service.weights() == (0, 100)
    assert service.replicas("links-v1") == 0
    assert service.replicas("links-v2-rollout") == 3
    assert found["requests"]["canary"] > 0
    assert found["taken"] == ["first"]
    [journal] = runs.glob("*/*/[0-9]*[0-9a-f].jsonl")
    assert process.ask(f"/runs/{found['run']}.jsonl") == journal.read_bytes()
    assert process.stop() == 0
    # Its rights allow what it does, and the log says nothing else.
    assert "forbids" not in process.log.read_text()

    # The next run goes the other way; what has been taken is not taken again.
    again = start("two")
    until(lambda: again.drives)
    service.annotate("start", {"id": "second", "by": "ada", "set": ["env.RANK=three"]})
    until(lambda: service.status()["run"] != found["run"], 60)
    until(lambda: service.status()["weight"] > 0, 60)
    service.annotate("command", {"id": "stop", "by": "ada", "verb": "abort"})
    assert ended(service)["verdict"] == "aborted"
    assert service.weights() == (0, 100)
    assert service.replicas("links-v1-rollout") == 0
    assert service.status()["taken"] == ["first", "second", "stop"]


def test_a_canary_that_fails_is_rolled_back_by_another_controller_than_began_it(
    service: Service, start: Start
) -> None:
    first = start("one", errors=0.2)
    asked(service)
    until(lambda: service.status().get("stage") in ("warming", "stepping"), 60)
    first.kill()
    start("two", errors=0.2)
    found = ended(service)
    assert found["verdict"] == "rolled_back", found
    assert service.weights() == (100, 0)
    assert service.replicas("links-v2-rollout") == 0
    assert service.replicas("links-v1") == 3


def test_a_run_goes_on_after_its_controller_was_killed(service: Service, start: Start, runs: Path) -> None:
    first = start("one")
    asked(service, gates=[{"type": "manual", "name": "qa", "at": "step"}])
    until(lambda: "gate qa" in " ".join(service.status().get("waitsFor") or ()), 90)
    before = service.status()
    assert service.weights() == (90, 10)
    service.annotate("command", {"id": "go", "by": "eve", "verb": "approve", "gate": "qa"})
    until(lambda: "go" in service.status()["taken"])
    first.kill()
    start("two")
    found = ended(service)
    assert (found["verdict"], found["run"]) == ("promoted", before["run"]), found
    told = read(next(runs.glob("*/*/[0-9]*[0-9a-f].jsonl")))
    assert told.ended
    events = next(runs.glob("*/*/[0-9]*[0-9a-f].jsonl")).read_text()
    assert events.count(f'"event":"{Commanded.__struct_config__.tag}"') == 1


def test_of_two_controllers_one_drives_and_the_other_takes_over(service: Service, start: Start) -> None:
    one = start("one")
    until(lambda: one.drives)
    two = start("two")
    until(lambda: "one drives" in two.log.read_text())
    assert not two.drives
    one.kill()
    until(lambda: two.drives)
    three = start("three")
    until(lambda: "two drives" in three.log.read_text())
    assert two.stop() == 0
    until(lambda: three.drives)  # at once, since the other gave it back


def test_a_controller_that_was_frozen_while_another_took_over_writes_nothing(
    service: Service, start: Start, account: Path, namespace: str, tmp_path: Path
) -> None:
    """Each has a folder of its own, as if the volume had been freed."""
    one = start("one", errors=0.001)
    asked(service, gates=[{"type": "manual", "name": "qa", "at": "step"}])
    until(lambda: "gate qa" in " ".join(service.status().get("waitsFor") or ()), 90)
    one.send(signal.SIGSTOP)
    two = Process(account, namespace, tmp_path / "other", "two")
    try:
        until(lambda: two.drives)
        # A person sets the weights; the run of the first would set them again.
        back = [
            {"op": "replace", "path": f"/spec/http/0/route/{n}/weight", "value": v}
            for n, v in ((0, 100), (1, 0))
        ]
        service.cluster.call("PATCH", f"{service.routes}/links-routes", back, "application/json-patch+json")
        one.send(signal.SIGCONT)
        until(lambda: one.exit_code is not None)
    finally:
        two.kill()
    assert one.exit_code == 3
    assert service.weights() == (100, 0)


def test_a_request_that_the_status_forgot_is_not_taken_twice(
    service: Service, start: Start, runs: Path
) -> None:
    """As after a kill between the journal and the status."""
    start("one")
    asked(service, gates=[{"type": "manual", "name": "qa", "at": "step"}])
    until(lambda: "gate qa" in " ".join(service.status().get("waitsFor") or ()), 90)
    service.annotate("command", {"id": "stop", "by": "eve", "verb": "abort"})
    assert ended(service)["verdict"] == "aborted"
    service.cluster.merge(f"{service.rollouts}/links/status", {"status": {"taken": []}})
    until(lambda: service.status()["taken"] == ["first", "stop"])
    assert len([path for path in runs.glob("*/*/*.jsonl") if "commands" not in path.name]) == 1
    [commands] = runs.glob("*/*/*.commands.jsonl")
    assert len(commands.read_text().splitlines()) == 1
    assert service.status().get("refused") is None


def test_a_controller_that_loses_its_lease_ends(service: Service, start: Start, namespace: str) -> None:
    process = start("one")
    until(lambda: process.drives)
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/delinkcious-canary"
    service.cluster.merge(lease, {"spec": {"holderIdentity": "somebody"}})
    until(lambda: process.exit_code is not None)
    assert process.exit_code == 3
    assert service.cluster.get(lease)["spec"]["holderIdentity"] == "somebody"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"id": "x", "by": "ada"}, "the canary would be the same as stable"),
        ({"id": "x", "by": "ada", "set": ["RANK=two"]}, "it is written env.NAME=VALUE"),
        ({"id": "x", "by": "ada", "sets": []}, "unknown field `sets`"),
        ({"by": "ada"}, "missing required field `id`"),
    ],
)
def test_what_cannot_begin_is_refused_with_a_sentence(
    service: Service, start: Start, request_: dict[str, Any], why: str
) -> None:
    start("one")
    service.cluster.post(service.rollouts, service.rollout(**QUICK))
    service.annotate("start", request_)
    until(lambda: bool(service.status().get("refused")))
    assert why in service.status()["refused"]["why"]
    assert service.status()["run"] == ""


def test_a_canary_that_an_autoscaler_sizes_is_no_run(service: Service, start: Start, namespace: str) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "links-v2-rollout"}
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    spec = {"scaleTargetRef": target, "maxReplicas": 5}
    service.cluster.post(path, {"metadata": {"name": "by-load"}, "spec": spec})
    start("one")
    asked(service)
    until(lambda: bool(service.status().get("refused")))
    assert "HorizontalPodAutoscaler by-load sizes links-v2-rollout" in service.status()["refused"]["why"]


def test_the_program_itself_asks_prometheus_says_so_and_ends_when_told(
    service: Service, start: Start
) -> None:
    process = start("one", itself=True)
    until(lambda: process.drives)
    asked(service)
    until(lambda: bool(service.status().get("refused")))
    assert "there is no evidence to be had: Prometheus" in service.status()["refused"]["why"]
    assert process.stop() == 0

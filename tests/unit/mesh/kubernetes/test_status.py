"""What a Pod's status says."""

from __future__ import annotations

from dataclasses import replace

from mesh.local.kubernetes.status import Process, Seen, pod_ip, status
from mesh.local.model import Json

SPEC: Json = {"containers": [{"name": "app", "image": "app:1"}]}
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
RUNS = Process("Running", "", True, 0, None)
SEEN = Seen("Running", "127.20.0.7", True, True, NOW, "", {"app": RUNS})


def container(found: Json) -> Json:
    one: Json = found["containerStatuses"][0]
    return one


def condition(found: Json, kind: str) -> Json:
    return next(one for one in found["conditions"] if one["type"] == kind)


def test_its_address_is_no_loopback_address() -> None:
    assert pod_ip("127.20.3.4") == "10.20.3.4"
    assert status(SPEC, SEEN, {}, NOW)["podIPs"] == [{"ip": "10.20.0.7"}]


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    first = status(SPEC, SEEN, {}, NOW)
    assert condition(status(SPEC, SEEN, first, LATER), "Ready") == {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": NOW,
    }
    unready = status(SPEC, replace(SEEN, ready=False), first, LATER)
    assert condition(unready, "Ready")["lastTransitionTime"] == LATER
    assert condition(unready, "Initialized")["lastTransitionTime"] == NOW


def test_the_same_pod_has_the_same_status_whenever_it_is_told() -> None:
    for seen in (
        SEEN,
        replace(SEEN, processes={"app": Process("Terminated", "exit code 3", False, 0, 3)}, phase="Failed"),
        replace(SEEN, processes={"app": Process("Waiting", "again in 2 s", False, 2, 1, ("oh",))}),
        replace(SEEN, failure="no such ConfigMap", phase="Failed", processes={}),
    ):
        first = status(SPEC, seen, {}, NOW)
        assert status(SPEC, seen, first, LATER) == first


def test_a_crash_is_told_with_its_code_and_last_words() -> None:
    waits = Process("Waiting", "exit code 1, again in 2 s", False, 2, 1, ("no such thing",))
    found = container(status(SPEC, replace(SEEN, processes={"app": waits}), {}, NOW))
    assert found["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert found["restartCount"] == 2
    assert found["lastState"]["terminated"]["exitCode"] == 1
    assert found["lastState"]["terminated"]["message"] == "no such thing"


def test_what_could_not_be_made_is_pending_and_says_why() -> None:
    found = status(
        SPEC, replace(SEEN, failure="the Secret a/b does not exist", phase="Failed", processes={}), {}, NOW
    )
    assert found["phase"] == "Pending"
    waiting = {"reason": "CreateContainerConfigError", "message": "the Secret a/b does not exist"}
    assert container(found)["state"] == {"waiting": waiting}


def test_init_containers_have_ended_once_the_others_run() -> None:
    spec = {**SPEC, "initContainers": [{"name": "first", "image": "app:1"}]}
    before = replace(SEEN, phase="Pending", ready=False, initialised=False, processes={"first": RUNS})
    first = status(spec, before, {}, NOW)
    assert "running" in first["initContainerStatuses"][0]["state"]
    assert container(first)["state"] == {"waiting": {"reason": "PodInitializing"}}
    after = status(spec, SEEN, first, LATER)
    assert after["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0

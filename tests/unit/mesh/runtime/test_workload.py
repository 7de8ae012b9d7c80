"""The Pods that workloads make: their names, what they keep, what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh.local.check import validate
from mesh.local.listening import listens, refusal
from mesh.local.model import Config, Json, Resource, Source
from mesh.local.resources import parse
from mesh.local.runtime import environment, podcheck, volumes
from mesh.local.runtime.addresses import Pair
from mesh.local.runtime.environment import Place
from mesh.local.runtime.hints import misplaced
from mesh.local.runtime.manifest import PodManifest, Refused
from mesh.local.runtime.probes import Host, action, host_of
from mesh.local.runtime.rollout import Room, room
from mesh.local.runtime.workload import Workload, declared_replicas, timed
from mesh.local.starter import Program, manifest

PLACE = Place(Pair("127.1.0.2", "127.1.0.3"), ("127.1.0.2", 15001))
POD: Json = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "command": ["c"]}]}}


def _workload(kind: str, spec: Json, name: str = "db") -> Workload:
    body = {"metadata": {"name": name}, "spec": spec}
    return Workload(Resource("v1", kind, "default", name, body, Source("a.yaml", 1)), 1)


def _told(pod: PodManifest) -> dict[str, str]:
    container = pod.spec["containers"][0]
    return environment.environment(pod, container, ("spec", "containers", 0), PLACE, Config([]))


def test_a_stateful_set_s_pod_has_a_lasting_name_and_claims_of_its_own() -> None:
    claims = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]
    workload = _workload(
        "StatefulSet", {"template": POD, "serviceName": "db", "volumeClaimTemplates": claims}
    )
    pod = workload.pod(2)
    assert (pod.name, pod.spec["subdomain"], _told(pod)["HOSTNAME"]) == ("db-2", "db", "db-2")
    assert pod.labels["apps.kubernetes.io/pod-index"] == "2"
    found = volumes.contents(pod, Config([]), {})
    assert found == {"data": volumes.Claimed("data-db-2")}


def test_a_claim_that_nobody_declares_is_refused_and_a_declared_one_is_found() -> None:
    template: Json = {"spec": {"containers": [{"name": "c"}], "volumes": [_claim("files")]}}
    pod = _workload("Deployment", {"template": template}).pod(0)
    with pytest.raises(Refused, match="PersistentVolumeClaim default/files does not exist"):
        volumes.contents(pod, Config([]), {})
    config = Config(
        parse("{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: files}, spec: {}}", "a")
    )
    assert volumes.contents(pod, config, {}) == {"v": volumes.Claimed("files")}


def _claim(name: str) -> Json:
    return {"name": "v", "persistentVolumeClaim": {"claimName": name}}


def test_a_claim_keeps_its_files_when_the_pod_s_own_are_taken_away(tmp_path: Path) -> None:
    folders = volumes.Folders({}, tmp_path / "claims")
    volumes.write(tmp_path / "pod", {"v": volumes.Claimed("files")}, folders)
    (tmp_path / "pod" / "v" / "kept").write_text("x")
    volumes.write(tmp_path / "other", {"v": volumes.Claimed("files")}, folders)
    assert (tmp_path / "other" / "v" / "kept").read_text() == "x"


def test_a_bare_pod_keeps_its_name_and_a_job_s_index_is_told() -> None:
    assert _workload("Pod", POD["spec"], "once").pod(0).name == "once"
    job = _workload("Job", {"template": POD}, "work")
    told = _told(job.pod(4, 2))
    assert (told["JOB_COMPLETION_INDEX"], told["HOSTNAME"]) == ("2", "work-2")
    assert job.pod(0).spec["restartPolicy"] == "Never"


def test_a_pod_that_a_clock_will_start_is_judged_now() -> None:
    imaged = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    body = {"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": imaged}}}}
    config = Config([Resource("batch/v1", "CronJob", "default", "clean", body, Source("a.yaml", 1))])
    [found] = podcheck.offline(timed(config))
    assert found.field == "spec.jobTemplate.spec.template.spec.containers[0]"
    assert "the container c has no command" in found.message


def test_only_what_is_scaled_has_a_count_of_its_own() -> None:
    assert declared_replicas(_workload("StatefulSet", {"replicas": 3}).resource) == 3
    assert declared_replicas(_workload("DaemonSet", {"replicas": 3}).resource) == 1


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("Deployment", {}, Room(1, 0)),
        ("Deployment", {"strategy": {"type": "Recreate"}}, Room(0, 5, recreate=True)),
        ("Deployment", {"strategy": {"rollingUpdate": {"maxSurge": "25%"}}}, Room(2, 0)),
        (
            "Deployment",
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}},
            Room(0, 2),
        ),
        ("Deployment", {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "1%"}}}, Room(0, 1)),
        ("DaemonSet", {}, Room(0, 1)),
    ],
)
def test_a_change_has_the_room_that_is_written(kind: str, spec: Json, expected: Room) -> None:
    assert room(_workload(kind, spec).resource, 5) == expected


def test_sizes_are_told_in_the_units_that_are_asked_for() -> None:
    sizes = {"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi"}}
    names = {"CPU": ("requests.cpu", "1m"), "WHOLE": ("requests.cpu", "1"), "MB": ("limits.memory", "1M")}
    env = [
        {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}}
        for name, (resource, divisor) in names.items()
    ]
    pod = PodManifest("a", "default", "a", {"spec": {"containers": [_sized(sizes, env)]}})
    told = _told(pod)
    assert {name: told[name] for name in names} == {"CPU": "250", "WHOLE": "1", "MB": "68"}


def _sized(sizes: Json, env: list[Json]) -> Json:
    return {"name": "c", "resources": sizes, "env": env}


def test_a_part_of_a_volume_may_be_named_by_a_variable() -> None:
    mount = {"name": "v", "mountPath": "/data", "subPathExpr": "$(POD_NAME)/x"}
    container: Json = {"name": "c", "volumeMounts": [mount]}
    pod = PodManifest(
        "a-1", "default", "a", {"spec": {"containers": [container], "volumes": [{"name": "v"}]}}
    )
    found = volumes.mounts(pod, container, (), Path("/f"), {"POD_NAME": "a-1"})
    assert found == {"/data": "/f/v/a-1/x"}
    with pytest.raises(Refused, match="leads out"):
        volumes.mounts(pod, container, (), Path("/f"), {"POD_NAME": "../.."})


@pytest.mark.parametrize(
    ("word", "more", "refused"),
    [
        ("containers", {}, True),
        ("initContainers", {}, False),
        ("initContainers", {"restartPolicy": "Always"}, True),
    ],
)
def test_containers_that_run_together_cannot_have_the_same_port(word: str, more: Json, refused: bool) -> None:
    other = {"name": "other", "command": ["c"], "ports": [{"containerPort": 80}], **more}
    main: Json = {"name": "main", "command": ["c"], "ports": [{"containerPort": 80}]}
    spec: Json = {"containers": [main]}
    spec[word] = [*spec.get(word, []), other]
    workload = _workload("Deployment", {"template": {"metadata": {}, "spec": spec}})
    found = [one.message for one in podcheck.findings([workload], Config([]))]
    said = "listens on 80 too: containers of a pod share its address"
    assert [said in text for text in found] == [True] * refused


def test_a_program_that_cannot_be_told_is_forwarded_to() -> None:
    notes = {"delinkcious.io/listens": "8080=127.0.0.1:5000, 9090=9000"}
    assert listens(notes, "127.1.0.3") == {8080: ("127.0.0.1", 5000), 9090: ("127.1.0.3", 9000)}
    pod = PodManifest("a", "default", "a", {**POD, "metadata": {"annotations": notes}})
    probe = action({"tcpSocket": {"port": 8080}}, host_of(pod, PLACE), {}, ())
    assert probe.tcp == ("127.0.0.1", 5000)


@pytest.mark.parametrize("text", ["8080", "8080=192.0.2.1:80", "0=80", "80=99999", "80=example.org:80"])
def test_only_a_port_of_this_machine_is_forwarded_to(text: str) -> None:
    notes = {"delinkcious.io/listens": text}
    assert (listens(notes, "127.1.0.3"), "is not PORT=PORT" in str(refusal(notes))) == ({}, True)


@pytest.mark.parametrize(
    ("listening", "told"),
    [
        ({("127.1.0.3", 8080)}, ""),
        ({("0.0.0.0", 8080)}, ""),  # noqa: S104 - where a program may listen
        (set[Any](), ""),
        ({("127.0.0.1", 8080)}, "it listens on 127.0.0.1:8080"),
        ({("127.1.0.3", 9999)}, "it listens on 127.1.0.3:9999"),
        ({("127.0.0.1", 9999), ("127.0.0.1", 8080)}, "it listens on 127.0.0.1:8080"),
    ],
)
def test_who_listens_elsewhere_is_told_three_ways(listening: set[tuple[str, int]], told: str) -> None:
    text = misplaced([("127.1.0.3", 8080)], listening)
    assert told in text
    ways = ("read HOST and PORT", "--host $(HOST) --port $(PORT)", "delinkcious.io/listens")
    assert [way in text for way in ways] == [bool(told)] * 3


def test_grpc_and_sleep_are_actions() -> None:
    host = Host("127.1.0.3")
    assert action({"grpc": {"port": 50051, "service": "a.B"}}, host, {}, ()).grpc == (
        "127.1.0.3",
        50051,
        "a.B",
    )
    assert action({"sleep": {"seconds": 3}}, host, {}, ()).sleep_s == 3


def test_a_starting_manifest_is_right() -> None:
    program = Program(
        "api", ["python", "app.py", "--x={}: #"], 8000, {"A": "yes", "B": "1"}, 2, folder="/a b"
    )
    found = parse(manifest(program), "api.yaml")
    _, findings = validate(found)
    assert findings == []
    assert [resource.kind for resource in found] == ["ServiceAccount", "Deployment", "Service"]
    container = found[1].spec["template"]["spec"]["containers"][0]
    assert (container["command"], container["workingDir"]) == (list(program.command), "/a b")
    assert container["env"] == [{"name": "A", "value": "yes"}, {"name": "B", "value": "1"}]
    assert len(parse(manifest(Program("worker", ["work"])), "worker.yaml")) == 2


@pytest.mark.parametrize(
    ("metadata", "asked"),
    [
        ({}, True),
        ({"annotations": {"sidecar.istio.io/inject": "false"}}, False),
        ({"annotations": {"inject.istio.io/templates": "gateway"}}, False),
        ({"labels": {"security.istio.io/tlsMode": "disabled"}}, False),
    ],
)
def test_clients_ask_by_mutual_tls_where_a_sidecar_takes_it(metadata: Json, asked: bool) -> None:
    assert PodManifest("a", "default", "a", {**POD, "metadata": metadata}).takes_mutual_tls is asked

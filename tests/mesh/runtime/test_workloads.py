"""Workloads of every kind run: what keeps names and files, what ends, what is run by the clock or by hand."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests

NewMesh = Callable[[str], Running]
BARE = "sidecar.istio.io/inject: 'false'"


def _stateful_set(server: str) -> str:
    return f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{ name: db }}
spec:
  serviceName: db
  replicas: 2
  selector: {{ matchLabels: {{ app: db }} }}
  template:
    metadata: {{ labels: {{ app: db }}, annotations: {{ {BARE} }} }}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: db
          command: [sh, -c, 'echo $HOSTNAME >> /data/who; exec python {server}']
          ports: [{{ name: http, containerPort: 8080 }}]
          volumeMounts: [{{ name: data, mountPath: /data }}]
  volumeClaimTemplates:
    - metadata: {{ name: data }}
      spec: {{ accessModes: [ReadWriteOnce], resources: {{ requests: {{ storage: 1Gi }} }} }}
"""


def test_a_stateful_set_keeps_its_names_and_files_over_restarts(
    new_mesh: NewMesh, manifests: Manifests
) -> None:
    mesh = new_mesh(_stateful_set(manifests.echo))
    claims = mesh.state.claims / "default"

    def who() -> dict[str, list[str]]:
        return {file.parent.name: file.read_text().split() for file in claims.glob("*/who")}

    assert [pod["name"] for pod in mesh.pods("db")] == ["db-0", "db-1"]
    assert who() == {"data-db-0": ["db-0"], "data-db-1": ["db-1"]}
    assert mesh.command("restart", "-l", "app=none")[0] == 1
    code, output = mesh.command("restart", "sts/db")
    assert code == 0, output
    assert who()["data-db-1"] == ["db-1", "db-1"]
    assert mesh.command("scale", "statefulset/db", "--replicas", "1")[0] == 0
    assert [pod["name"] for pod in mesh.pods("db")] == ["db-0"]
    assert mesh.stop() == 0
    mesh.start()
    assert who() == {"data-db-0": ["db-0"] * 3, "data-db-1": ["db-1", "db-1"]}
    code, output = mesh.command("logs", "-l", "app=db", "--prefix")
    assert (code, "[db-1/" in output) == (0, False), output


WORK = f"""
apiVersion: v1
kind: Pod
metadata: {{ name: work, annotations: {{ {BARE} }} }}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 5
  volumes: [{{ name: notes, emptyDir: {{}} }}]
  initContainers:
    - name: beside
      restartPolicy: Always
      command: [sh, -c, 'echo beside >> /notes/all; sleep 1000 & wait']
      lifecycle: {{ preStop: {{ exec: {{ command: [sh, -c, 'echo stopping beside >> /notes/all'] }} }} }}
      startupProbe: {{ exec: {{ command: [grep, beside, /notes/all] }}, periodSeconds: 1 }}
      volumeMounts: [{{ name: notes, mountPath: /notes }}]
    - name: first
      command: [sh, -c, 'echo first >> /notes/all']
      volumeMounts: [{{ name: notes, mountPath: /notes }}]
  containers:
    - name: main
      command: [sh, -c]
      args: ['until grep -q other /notes/all; do sleep 0.05; done; echo main >> /notes/all; echo I am first']
      volumeMounts: [{{ name: notes, mountPath: /notes }}]
    - name: other
      command: [sh, -c, 'until grep -q started /notes/all; do sleep 0.05; done; echo other >> /notes/all']
      lifecycle: {{ postStart: {{ exec: {{ command: [sh, -c, 'echo started >> /notes/all'] }} }} }}
      volumeMounts: [{{ name: notes, mountPath: /notes }}]
---
apiVersion: batch/v1
kind: Job
metadata: {{ name: shares }}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers: [{{ name: app, command: [sh, -c, 'echo share $JOB_COMPLETION_INDEX of $HOSTNAME'] }}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {{ name: clean }}
spec:
  schedule: '0 3 29 2 *'
  jobTemplate:
    spec:
      template:
        metadata: {{ annotations: {{ {BARE} }} }}
        spec:
          restartPolicy: Never
          containers: [{{ name: app, command: [echo, cleaned] }}]
---
apiVersion: v1
kind: Pod
metadata: {{ name: late, annotations: {{ {BARE}, delinkcious.io/optional: 'true' }} }}
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 1
  containers: [{{ name: app, command: [sleep, '1000'] }}]
"""


def test_a_pod_s_containers_start_and_end_in_kubernetes_order(new_mesh: NewMesh) -> None:
    mesh = new_mesh(WORK)
    pods = mesh.state.pods / "default"
    written = until(lambda: _ended(pods / "work" / "volumes" / "notes" / "all"))
    assert written == ["beside", "first", "started", "other", "main", "stopping beside"]

    assert mesh.command("logs", "work") == (0, "I am first\n")

    shares = {
        (pods / name / "logs" / "app.log").read_text().strip()
        for name in (folder.name for folder in pods.glob("shares-*"))
    }
    assert shares == {f"share {index} of shares-{index}" for index in range(3)}
    assert mesh.client.get("/get/jobs")[0]["succeeded"] == 3

    assert mesh.command("create", "job", "now", "--from", "cronjob/clean") == (
        0,
        "job/now created: `delinkcious mesh logs job/now` prints what it says\n",
    )
    until(lambda: mesh.command("logs", "job/now")[1].strip() == "cleaned")
    assert mesh.command("create", "job", "now", "--from", "cronjob/clean")[0] == 1
    assert "cronjob" in mesh.command("create", "job", "x", "--from", "cronjob/none")[1]

    until(lambda: "late: it ran longer than its activeDeadlineSeconds" in _failures(mesh))


def _ended(notes: Path) -> list[str]:
    lines = notes.read_text().splitlines() if notes.is_file() else []
    return lines if "stopping beside" in lines else []


def _failures(mesh: Running) -> str:
    return " ".join(f"{pod['name']}: {pod['failure']}" for pod in mesh.client.get("/get/pods"))


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_program_that_cannot_be_told_is_named_with_three_ways_of_which_one_forwards(
    new_mesh: NewMesh, manifests: Manifests, free_port: int
) -> None:
    mesh = new_mesh(manifests.deployment("client") + manifests.service("reviews"))
    fixed = {"HOST": "127.0.0.1", "PORT": str(free_port)}
    mesh.apply(manifests.deployment("reviews", env=fixed))
    told = until(lambda: [text for text in mesh.client.get("/status")["waitingFor"] if "listens" in text])
    assert f"it listens on 127.0.0.1:{free_port}: let it listen on $HOST:$PORT (here 127." in told[0]
    way = f'`delinkcious.io/listens: "8080=127.0.0.1:{free_port}"`'
    assert all(one in told[0] for one in ("(1) ", "(2) ", "(3) ", way))
    mesh.delete(manifests.deployment("reviews"))
    until(lambda: not mesh.pods("reviews"))
    notes = {"delinkcious.io/listens": f"8080=127.0.0.1:{free_port}"}
    file = mesh.folder / "new.yaml"
    file.write_text(manifests.deployment("reviews", env=fixed, annotations=notes))
    code, output = mesh.command("apply", "-f", str(file))
    assert code == 0, output
    assert mesh.get("http://reviews/").json() == "v1"

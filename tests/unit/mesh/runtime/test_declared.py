"""What stands where it is said twice, who waits for whom, and what survives a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.local.check import validate
from mesh.local.model import Config, InvalidConfig, Resource
from mesh.local.resources import parse
from mesh.local.runtime import applied
from mesh.local.runtime.applied import Word, digest, merge
from mesh.local.runtime.backoff import HEALTHY_S, LIMIT_S, Backoff
from mesh.local.runtime.configuration import Configuration
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.order import findings, may_start
from mesh.local.runtime.sources import Files
from mesh.local.runtime.workload import Workload, workloads


def _map(value: str) -> Resource:
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{k: {value}}}\n"
    return parse(text, "file.yaml")[0]


def _value(resources: list[Resource]) -> list[str]:
    return [resource.body["data"]["k"] for resource in resources]


def test_what_is_applied_holds_until_the_file_s_object_changes() -> None:
    words = {_map("b").key: Word(_map("b"), over=digest(_map("a")))}
    assert _value(merge([_map("a")], words)[0]) == ["b"]
    resources, held = merge([_map("c")], words)
    assert (_value(resources), held) == (["c"], {})


def test_what_is_deleted_stays_away_until_the_file_s_object_changes() -> None:
    words = {_map("a").key: Word(None, over=digest(_map("a")))}
    assert merge([_map("a")], words) == ([], words)
    assert _value(merge([_map("b")], words)[0]) == ["b"]


def test_words_survive_a_restart_with_their_lines(tmp_path: Path) -> None:
    words = {_map("b").key: Word(_map("b"), None), ("Secret", "default", "s"): Word(None, "over")}
    applied.save(tmp_path / "applied.json", words)
    assert (tmp_path / "applied.json").stat().st_mode & 0o777 == 0o600
    found = applied.load(tmp_path / "applied.json")
    assert found == words


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "applied.json").write_text("{")
    with pytest.raises(MeshError, match="damaged"):
        applied.load(tmp_path / "applied.json")


def _workload(kind: str, name: str, pod: str = "{}", **annotations: str) -> Workload:
    version = "batch/v1" if kind == "Job" else "apps/v1"
    notes = ", ".join(f'"{key}": "{value}"' for key, value in annotations.items())
    template = f"{{metadata: {{annotations: {pod}}}, spec: {{}}}}"
    text = (
        f"apiVersion: {version}\nkind: {kind}\n"
        f"metadata: {{name: {name}, annotations: {{{notes}}}}}\nspec: {{template: {template}}}\n"
    )
    return workloads(Config(parse(text, "file.yaml")), {})[0]


AFTER = "delinkcious.io/after"
PRE = _workload("Job", "pre", **{"helm.sh/hook": "pre-install,pre-upgrade"})
LATE_PRE = _workload("Job", "late", **{"helm.sh/hook": "pre-install", "helm.sh/hook-weight": "5"})
APP = _workload("Deployment", "app")
WAITING = _workload("Deployment", "waiting", **{AFTER: "deployment/app, job/seed"})
SEED = _workload("Job", "seed")
POST = _workload("Job", "post", **{"helm.sh/hook": "post-install"})
OPTIONAL = _workload("Deployment", "optional", pod='{delinkcious.io/optional: "true"}')
ALL = [PRE, LATE_PRE, APP, WAITING, SEED, POST, OPTIONAL]


@pytest.mark.parametrize(
    ("done", "free"),
    [
        ([], [PRE]),
        ([PRE], [PRE, LATE_PRE]),
        ([PRE, LATE_PRE], [PRE, LATE_PRE, APP, SEED]),
        ([PRE, LATE_PRE, APP, SEED], [PRE, LATE_PRE, APP, WAITING, SEED]),
        ([PRE, LATE_PRE, APP, SEED, WAITING], ALL[:-1]),
        (ALL[:-1], ALL),
    ],
)
def test_workloads_start_in_their_order(done: list[Workload], free: list[Workload]) -> None:
    assert [one for one in ALL if may_start(one, ALL, lambda other: other in done)] == free


def test_waiting_for_nothing_and_in_circles_is_refused() -> None:
    circle = [
        _workload("Deployment", "one", **{AFTER: "deployment/two"}),
        _workload("Deployment", "two", **{AFTER: "deployment/one"}),
    ]
    assert ["waits for it" in found.message for found in findings(circle)] == [True, True]
    [lost] = findings([_workload("Deployment", "z", **{AFTER: "job/none"})])
    assert "does not exist" in lost.message


def test_a_scaled_count_holds_until_the_manifest_s_count_changes() -> None:
    config = Config([APP.resource])
    changed = {"default/deployment/app": {"replicas": 3, "declared": 1}}
    assert workloads(config, changed)[0].replicas == 3
    changed["default/deployment/app"]["declared"] = 2
    assert workloads(config, changed)[0].replicas == 1


def test_a_restart_makes_the_template_another() -> None:
    config = Config([APP.resource])
    again = workloads(config, {"default/deployment/app": {"restartedAt": "2026-01-01"}})[0]
    assert again.hash != APP.hash
    assert again.pod(0).name != APP.pod(0).name


def test_pauses_double_to_a_limit_and_a_long_life_forgives() -> None:
    backoff = Backoff()
    pauses = [backoff.next_s(0) for _ in range(10)]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses[-1] == LIMIT_S
    assert backoff.next_s(HEALTHY_S) == 0.2


POD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - name: app
        image: none
        command: [sleep]
        env: [{name: A, valueFrom: {configMapKeyRef: {name: m, key: k}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
data: {k: v}
"""


def test_pods_are_tried_out_anew_when_what_they_are_made_of_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    configuration = Configuration(Files([file]), validate)

    def judged(text: str) -> str:
        file.write_text(text)
        try:
            configuration.candidate({}, {})
        except InvalidConfig as error:
            return str(error)
        return ""

    for _ in range(2):
        assert judged(POD) == ""
        assert "the container app has no command" in judged(POD.replace("command: [sleep]", "args: [sleep]"))
        assert judged(POD) == ""
        assert "key k" in judged(POD.replace("{k: v}", "{l: v}"))

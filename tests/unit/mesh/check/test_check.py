"""What valid resources say together."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from mesh.local.check import ANALYZERS, OF_WORKLOADS, Analyzer, Judged, validate
from mesh.local.check.mesh import Mesh
from mesh.local.model import Config, Finding, Resource
from mesh.local.resources import parse
from mesh.local.schema import judge
from tests.unit.mesh.cases import Case, read, unmet

CASES = read(Path(__file__).parent / "cases")

ISTIO_ONLY = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: a }
spec: { hosts: [a], http: [{ route: [{ destination: { host: b } }] }] }
"""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_findings_are_exactly_those_beside_the_lines(case: Case) -> None:
    _, findings = validate(parse(case.text, "case.yaml"))
    assert unmet(case, findings, "error") == []
    assert unmet(case, findings, "warning") == []


def test_istio_yaml_without_workloads_is_not_doubted_for_them() -> None:
    assert validate(parse(ISTIO_ONLY, "a.yaml"))[1] == []


def test_resources_of_two_files_with_one_name_are_an_error_that_names_both() -> None:
    _, findings = validate([*parse(ISTIO_ONLY, "a.yaml"), *parse(ISTIO_ONLY, "b.yaml")])
    (found,) = findings
    assert (found.level, found.file, found.line) == ("error", "b.yaml", 2)
    assert found.message == "is declared twice, first in a.yaml:2"


def test_what_resources_say_together_is_judged_only_when_each_is_right() -> None:
    wrong = ISTIO_ONLY.replace("host: b", "host: b, subset: v1").replace("hosts: [a]", "host: [a]")
    messages = [found.message for found in validate(parse(wrong, "a.yaml"))[1]]
    assert all("unknown subset" not in message for message in messages)
    assert any("unknown field" in message for message in messages)


def test_a_kind_that_is_not_run_is_left_out_of_the_configuration() -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules: []\n"
    config, findings = validate(parse(role, "a.yaml"))
    assert list(config) == []
    assert [found.level for found in findings] == ["warning"]


UNWRITTEN = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: NAME }
spec: { hosst: [x] }
"""


def test_what_has_not_changed_is_not_judged_again_and_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def counting(resource: Resource) -> list[Finding]:
        judged.append(resource.name)
        return judge(resource)

    monkeypatch.setattr("mesh.local.check.judge", counting)
    [first] = parse(UNWRITTEN.replace("NAME", "first"), "first.yaml")
    [second] = parse(UNWRITTEN.replace("NAME", "second"), "second.yaml")
    [edited] = parse(ISTIO_ONLY, "second.yaml")
    memory = Judged()
    before = memory.judge([first, second])
    assert memory.judge([first, edited]) == [found for found in before if found.file == "first.yaml"]
    assert judged == ["first", "second", "a"]


@cache
def configurations() -> dict[str, Config]:
    return {case.name: validate(parse(case.text, "case.yaml"))[0] for case in CASES}


class Reading(Mesh):
    """A mesh that notes which kinds it is asked for."""

    def __init__(self, config: Config) -> None:
        super().__init__(Noting(config))
        self.config: Noting

    @property
    def asked(self) -> set[str]:
        return self.config.asked


class Noting(Config):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.asked: set[str] = set()

    def of(self, kind: str) -> list[Resource]:
        self.asked.add(kind)
        return super().of(kind)

    def get(self, kind: str, namespace: str, name: str) -> Resource | None:
        self.asked.add(kind)
        return super().get(kind, namespace, name)


@pytest.mark.parametrize("analyzer", [*ANALYZERS, *OF_WORKLOADS], ids=lambda one: one.find.__name__)
def test_an_analyzer_reads_no_more_kinds_than_it_says(analyzer: Analyzer) -> None:
    for name, config in configurations().items():
        mesh = Reading(config)
        list(analyzer.find(mesh))
        assert mesh.asked <= set(analyzer.reads), name


def test_what_an_edit_does_not_touch_is_not_analyzed_again() -> None:
    asked: list[int] = []

    def counting(mesh: Mesh) -> list[Finding]:
        asked.append(len(mesh.config.of("VirtualService")))
        return []

    analyzer = Analyzer(counting, ("VirtualService",))
    first, second = parse(ISTIO_ONLY, "a.yaml"), parse(ISTIO_ONLY, "a.yaml")
    other = parse("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\n", "b.yaml")
    memory = Judged()
    for resources in ([], first, [*first, *other], second, []):
        memory.together(Mesh(Config(resources)), analyzer)
    assert asked == [0, 1, 1, 0]

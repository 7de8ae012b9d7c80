"""The files of the cases: each is read strictly, says what it derives from, and expects something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mesh.conformance import case, platform

WHOLE = """
title: Something is said
reference: HTTPRoute.match
requests: [{ url: "http://reviews/", expect: { status: 200 } }]
"""


def test_every_case_is_read_and_has_a_title_of_its_own() -> None:
    cases = case.every()
    titles = [f"{each.group}: {each.written.title}" for each in cases]
    assert len(set(titles)) == len(titles), sorted(title for title in titles if titles.count(title) > 1)
    assert {each.group for each in cases} == {folder.name for folder in case.CASES.iterdir()}


def test_cases_ask_workloads_that_are_there() -> None:
    known = {workload.name for workload in platform.load().workloads}
    for each in case.every():
        for request in each.written.requests:
            assert request.client in known, each.name
            assert request.through in {*known, "sidecar", "gateway"}, each.name
            assert set(request.expect.shares) <= known, each.name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gait: true", "gait"),
        ("refused: no", "refused"),
        ("istio: accepts", "refused"),
        ("resources: {}", "array"),
    ],
)
def test_a_mistake_in_a_case_is_found(
    text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case, "CASES", tmp_path)
    file = tmp_path / "wrong.yaml"
    file.write_text(WHOLE)
    assert case.read(file).written.requests
    file.write_text(f"{WHOLE}{text}\n")
    with pytest.raises(ValueError, match=says):
        case.read(file)


def test_a_case_without_expectation_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "CASES", tmp_path)
    file = tmp_path / "wrong.yaml"
    file.write_text(WHOLE.replace("{ status: 200 }", "{}"))
    with pytest.raises(ValueError, match="nothing is expected of http://reviews/"):
        case.read(file)


def test_names_are_filled_in_as_texts_and_as_numbers() -> None:
    values: case.Values = {"PORT": 8080, "HOST": "one.example"}
    found = case.fill({"port": "${PORT}", "url": ["http://${HOST}:${PORT}/"]}, values)
    assert found == {"port": 8080, "url": ["http://one.example:8080/"]}

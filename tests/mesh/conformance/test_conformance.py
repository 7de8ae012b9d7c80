"""Every case on the embedded control plane: a sample in the gate, all of them in the slow suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mesh.conformance.case import Case, every
from tests.mesh.conformance.differing import as_case
from tests.mesh.conformance.plane import Embedded
from tests.mesh.conformance.running import Suite
from tests.mesh.conformance.searching import Search
from tests.mesh.conformance.trying import oracles

CASES = [
    pytest.param(case, id=case.name, marks=() if case.written.gate else pytest.mark.slow) for case in every()
]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with Suite(Embedded, tmp_path_factory.mktemp("conformance")) as running:
        yield running


@pytest.mark.parametrize("case", CASES)
def test_case(suite: Suite, case: Case) -> None:
    outcome = suite.run(case)
    assert not outcome.problems, "\n".join((case.written.title, *outcome.problems))


def test_explain_foretells_what_becomes_of_requests_under_random_policies(suite: Suite) -> None:
    search = Search(oracles([suite]))
    found = next(search.disagreements(10, 1), None)
    assert found is None, as_case(found, f"Explained otherwise: {sorted(found.fields)}")
    assert search.tried == 10

"""The search for disagreements: what it finds is as small as it gets, and can be written down as a case."""

from __future__ import annotations

from typing import Any, cast

import yaml
from hypothesis import given, settings

from tests.mesh.conformance.case import Case, Request
from tests.mesh.conformance.random_policies import cases, differing
from tests.mesh.conformance.running import Suite
from tests.mesh.conformance.sending import Answer


class Pretending:
    """A control plane that denies everything, or forgets to where a policy says DENY."""

    def __init__(self, name: str, *, forgets: bool) -> None:
        self.name = name
        self._forgets = forgets
        self._denied = False

    def replace(self, case: Case) -> None:
        self._denied = any(each["spec"].get("action") == "DENY" for each in case.written.resources)

    def send(self, request: Request) -> list[Answer]:
        return [Answer("agent", request.client, 0.0, status=200 if self._denied and self._forgets else 403)]


def suites(*forgetting: bool) -> list[Suite]:
    return [cast("Suite", Pretending(f"plane-{forgets}", forgets=forgets)) for forgets in forgetting]


def test_a_disagreement_is_found_and_made_small() -> None:
    found = differing(suites(False, True), 200)
    assert found is not None
    rule, policy = found.case.written.resources
    assert (rule["kind"], policy["spec"]["action"]) == ("VirtualService", "DENY")
    assert len(rule["spec"]["http"]) == len(policy["spec"]["rules"]) == len(found.case.written.requests) == 1
    assert [list(each) for each in found.found.values()] == [["403 ''"], ["200 ''"]]
    written: dict[str, Any] = yaml.safe_load(found.text)
    assert (written["resources"], written["base"]) == ([rule, policy], ["subsets"])
    assert written["requests"][0]["url"].startswith("http://reviews")


def test_control_planes_that_agree_are_not_told_apart() -> None:
    assert differing(suites(False, False), 20) is None


@given(cases())
@settings(max_examples=50, deadline=None)
def test_a_random_case_is_one_that_the_suite_can_run(case: Case) -> None:
    text = case.text({})
    assert "VirtualService" in text
    assert case.written.requests

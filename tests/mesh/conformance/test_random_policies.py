"""The search for disagreements itself, with oracles that are wrong on purpose."""

from __future__ import annotations

import json

import msgspec

from mesh.local.check import validate
from tests.mesh.conformance.case import Written
from tests.mesh.conformance.differing import Oracle, Seen, as_case, disagreement, smallest
from tests.mesh.conformance.random_policies import Policy, policies, resources_of

MANY = policies(60, 1)


def _right(policy: Policy) -> str | list[Seen]:
    return [Seen(status=200, workload="ratings") for _ in policy.requests]


def _wrong(word: str) -> Oracle:
    """Answers 404 to posts under a policy in which the word stands."""

    def asked(policy: Policy) -> str | list[Seen]:
        trips = word in json.dumps(policy.resources)
        return [
            Seen(status=404 if trips and request.method == "POST" else 200, workload="ratings")
            for request in policy.requests
        ]

    return asked


def test_policies_are_valid_different_and_the_same_each_time() -> None:
    assert len({json.dumps(policy.resources) for policy in MANY}) > 50
    for policy in MANY:
        assert not [found for found in validate(resources_of(policy))[1] if found.level == "error"]
    assert policies(60, 1) == MANY
    assert policies(1, 2) != policies(1, 1)


def test_planes_that_are_alike_do_not_disagree() -> None:
    assert [disagreement(policy, {"one": _right, "other": _right}) for policy in MANY] == [None] * len(MANY)


def test_a_disagreement_is_found_and_made_as_small_as_it_gets() -> None:
    oracles = {"right": _right, "wrong": _wrong("withoutHeaders")}
    found = next(found for policy in MANY if (found := disagreement(policy, oracles)))
    least = smallest(found, oracles)
    assert found.fields == least.fields == {"status"}
    (body,) = least.policy.resources
    (route,) = body["spec"]["http"]
    assert [list(match) for match in route["match"]] == [["withoutHeaders"]]
    (request,) = least.policy.requests
    assert (request.method, request.headers) == ("POST", {})
    text = as_case(least, "Found")
    assert '# wrong: {"status": 404}' in text
    assert msgspec.yaml.decode(text.encode(), type=Written).requests[0].method == "POST"


def test_a_refusal_by_one_alone_is_a_disagreement_unless_the_laptop_does_not_do_it() -> None:
    policy = MANY[0]
    found = disagreement(policy, {"one": _right, "other": lambda _: "refused: no"})
    assert found is not None
    assert found.seen == {"one": "accepted", "other": "refused: no"}
    assert disagreement(policy, {"one": _right, "other": lambda _: "not supported"}) is None
    assert disagreement(policy, {"one": lambda _: "refused: a", "other": lambda _: "refused: b"}) is None

"""The search for disagreements itself, with oracles that are wrong on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from tests.mesh.conformance import searching
from tests.mesh.conformance.case import Written
from tests.mesh.conformance.differing import Oracle, Seen, as_case, disagreement
from tests.mesh.conformance.drawn.policies import Policy, errors
from tests.mesh.conformance.searching import Search

COUNT = 100
KINDS = """
    AuthorizationPolicy DestinationRule Gateway PeerAuthentication RequestAuthentication ServiceEntry
    Sidecar VirtualService
    """
FIELDS = """
    abort action add attempts audiences authority delegate directResponse egress exact exportTo
    fault from gateways headers http ignoreUriCase ipBlocks match method methods mirror mode mtls
    namespaces notPaths outboundTrafficPolicy paths port portLevelMtls portLevelSettings ports
    prefix principals queryParams redirect regex remove requestPrincipals response retries retryOn
    rewrite scheme selector serviceAccounts set sniHosts sourceLabels sourceNamespace subset tcp
    timeout tls to uri uriRegexRewrite values weight when withoutHeaders workloadSelector
    """


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


def _drawn(count: int, first: int) -> list[Policy]:
    """Every policy that a search tries."""
    found: list[Policy] = []

    def asked(policy: Policy) -> str | list[Seen]:
        found.append(policy)
        return _right(policy)

    assert not list(Search({"one": asked}).disagreements(count, first))
    return found


@pytest.fixture(scope="module")
def many() -> list[Policy]:
    return _drawn(COUNT, 1)


def _names(node: Any) -> Iterator[str]:
    """Of all fields."""
    if isinstance(node, Mapping):
        for name, held in node.items():
            yield name
            yield from _names(held)
    elif isinstance(node, list | tuple):
        for held in node:
            yield from _names(held)


def test_policies_are_valid_different_and_the_same_each_time(many: list[Policy]) -> None:
    assert len({json.dumps(policy.resources) for policy in many}) == len(many) == COUNT
    assert [found for policy in many for found in errors(policy)] == []
    assert _drawn(10, 2) == _drawn(10, 2)
    assert _drawn(10, 2) != _drawn(10, 3)


def test_every_kind_of_object_field_and_request_is_drawn(many: list[Policy]) -> None:
    bodies = [body for policy in many for body in policy.resources]
    assert {*KINDS.split()} == {body["kind"] for body in bodies}
    assert {*FIELDS.split()} <= {*_names(bodies)}
    requests = [request for policy in many for request in policy.requests]
    assert {request.url.partition(":")[0] for request in requests} == {"http", "https", "tcp"}
    assert {request.through for request in requests} == {"sidecar", "gateway", "ratings", "reviews-v1"}
    assert any(request.token for request in requests)


def test_planes_that_are_alike_do_not_disagree(many: list[Policy]) -> None:
    assert [disagreement(policy, {"one": _right, "other": _right}) for policy in many] == [None] * COUNT


@pytest.mark.slow
def test_a_disagreement_is_found_and_made_small() -> None:
    oracles = {"right": _right, "wrong": _wrong("withoutHeaders")}
    found = [next(Search(oracles).disagreements(200, first)) for first in range(3)]
    least = min(found, key=lambda one: len(json.dumps(one.policy.resources)))  # one may stop on its way
    assert {each.fields for each in found} == {frozenset({"status"})}
    (body,) = least.policy.resources
    matches = [match for route in body["spec"]["http"] for match in route.get("match", ())]
    assert len(body["spec"]["http"]) <= 2
    assert [list(match.keys() - {"uri"}) for match in matches] == [["withoutHeaders"]]
    assert (least.request.method, least.request.headers, least.request.token) == ("POST", {}, None)
    text = as_case(least, "Found")
    assert '# wrong: {"status": 404}' in text
    (request,) = msgspec.yaml.decode(text.encode(), type=Written).requests
    assert request.method == "POST"


def test_a_search_goes_on_behind_a_disagreement_until_all_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    def right(policy: Policy) -> str | list[Seen]:
        asked.add(json.dumps(policy.resources))
        return _right(policy)

    monkeypatch.setattr(searching, "MOST_TRIES", 5)
    search = Search({"right": right, "wrong": _wrong("sniHosts")})
    assert list(search.disagreements(15, 1))
    assert search.tried == 15 <= len(asked)


def test_a_search_ends_where_too_much_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_FOUND", 2)
    monkeypatch.setattr(searching, "MOST_TRIES", 5)
    search = Search({"right": _right, "wrong": _wrong("kind")})
    assert len(list(search.disagreements(40, 1))) == 2
    assert search.tried < 40


def test_a_disagreement_is_made_smaller_in_so_many_tries_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    def counted(policy: Policy) -> str | list[Seen]:
        nonlocal tries
        tries += 1
        return _right(policy)

    monkeypatch.setattr(searching, "MOST_TRIES", 5)
    search = Search({"right": counted, "wrong": _wrong("withoutHeaders")})
    assert next(search.disagreements(200, 1), None) is not None
    again = 1
    assert tries == search.tried + again + 5


def test_what_breaks_a_control_plane_is_told_as_it_is_and_not_made_smaller() -> None:
    asked = 0

    def broken(_: Policy) -> str | list[Seen]:
        nonlocal asked
        asked += 1
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        list(Search({"one": broken}).disagreements(20, 1))
    assert asked == 1


def test_what_differs_only_once_is_no_disagreement() -> None:
    asked = 0

    def late(policy: Policy) -> str | list[Seen]:
        nonlocal asked
        asked += 1
        return _right(policy) if asked != 3 else [Seen(status=404) for _ in policy.requests]

    assert not list(Search({"right": _right, "late": late}).disagreements(10, 1))


def test_a_refusal_by_one_alone_is_a_disagreement_unless_the_laptop_does_not_do_it(
    many: list[Policy],
) -> None:
    policy = many[0]
    found = disagreement(policy, {"one": _right, "other": lambda _: "refused: no"})
    assert found is not None
    assert found.seen == {"one": "accepted", "other": "refused: no"}
    assert disagreement(policy, {"one": _right, "other": lambda _: "not supported"}) is None
    assert disagreement(policy, {"one": lambda _: "refused: a", "other": lambda _: "refused: b"}) is None

"""What counts as a difference: every expectation can fail, and says why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.mesh.conformance import access_log
from tests.mesh.conformance.case import Case, Expect, Log, Took, Upstream, Written
from tests.mesh.conformance.comparing import counted, told, verdict
from tests.mesh.conformance.judging import differences
from tests.mesh.conformance.running import Outcome
from tests.mesh.conformance.sending import Answer

LINE = (
    '[2026-01-01T00:00:00.000Z] "GET /a HTTP/1.1" 503 UF,URX upstream_reset{connection_failure} - '
    '"TLS_error: \\"no\\" [x]" 0 91 3 - "-" "conformance/7" "7f" "reviews" "127.20.0.6:8080" '
    "outbound|80|v1|reviews.default.svc.cluster.local - 127.20.0.2:15001 127.20.0.2:5000 - first.a"
)


def answer(workload: str = "reviews-v1", **fields: Any) -> Answer:
    seen = {
        "workload": workload,
        "method": "GET",
        "path": "/a",
        "port": 8080,
        "body": "",
        "headers": {"x": "1"},
    }
    body = json.dumps({**seen, "headers": {"x": "1"}})
    given = {"status": 200, "headers": {"server": "envoy"}, "body": body, **fields}
    return Answer("conformance/7", "client", 0.5, **given)


def log(_workload: str, _agent: str) -> Mapping[str, str]:
    return access_log.fields(LINE)


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        (Expect(status=404), "status 200, not 404"),
        (Expect(body="teapot"), "no 'teapot' in the body"),
        (Expect(answered_by="reviews-v2"), "reviews-v1 answered, not reviews-v2"),
        (Expect(answered_by=""), "reviews-v1 answered"),
        (Expect(headers={"server": None}), "header server of the answer was 'envoy', not None"),
        (Expect(headers={"Server": "~istio.*"}), "was 'envoy', not '~istio.*'"),
        (Expect(headers={"x-absent": "~.*"}), "was None"),
        (Expect(closed=True), "the connection was not closed"),
        (Expect(took=Took(at_least=1)), "it took 0.50 s"),
        (Expect(took=Took(below=0.4)), "it took 0.50 s"),
        (Expect(upstream=Upstream(path="/b")), "the path that reached the workload was '/a', not '/b'"),
        (Expect(upstream=Upstream(headers={"x": "2"})), "header x of what reached the workload was '1'"),
        (Expect(log=Log(flags="UH")), "flags in the log of client was 'UF,URX', not 'UH'"),
        (Expect(server_log=Log(route="default")), "route in the log of reviews-v1 was 'first.a'"),
        (Expect(shares={"reviews-v1": (0, 90)}), "100 % of the answers came from reviews-v1"),
        (Expect(statuses={503: (1, 2)}), "0 answers had status 503, not 1 to 2"),
    ],
)
def test_an_expectation_that_does_not_hold_is_told(expect: Expect, says: str) -> None:
    assert says in "\n".join(differences(expect, [answer()], log))


def test_what_is_as_expected_is_no_difference() -> None:
    expect = Expect(
        status=200,
        answered_by="reviews-v1",
        headers={"server": "~en.*", "x-absent": None},
        upstream=Upstream(method="GET", path="/a", port=8080, headers={"x": "1", "y": None}),
        log=Log(flags="~.*URX", details="~upstream_reset.*", cluster="~outbound.80.v1.*", route="first.a"),
        took=Took(at_least=0.5, below=0.6),
        shares={"reviews-v1": (100, 100)},
        statuses={200: (1, 1)},
    )
    assert list(differences(expect, [answer()], log)) == []


def test_one_of_several_answers_is_enough_to_differ() -> None:
    found = list(differences(Expect(same_workload=True), [answer(), answer("reviews-v2")], log))
    assert found == ["not one workload answered, but {'reviews-v1': 1, 'reviews-v2': 1}"]
    assert list(differences(Expect(status=200), [answer(), answer(status=503)], log))


def test_a_closed_connection_is_a_difference_unless_it_is_expected() -> None:
    closed = Answer("conformance/7", "client", 0.1, closed=True, why="reset")
    assert "the connection was closed: reset" in "\n".join(differences(Expect(status=200), [closed], log))
    assert list(differences(Expect(closed=True), [closed], log)) == []


def outcomes(case: Case, **problems: tuple[str, ...]) -> list[Outcome]:
    return [Outcome(case, plane, found) for plane, found in problems.items()]


def test_only_documented_limits_may_differ() -> None:
    plain = Case("group/plain", Written("title", "reference"))
    limited = Case("group/limited", Written("title", "reference", limit="why"))
    refused = Case("group/refused", Written("title", "reference", refused="no", istio="accepts"))
    same = outcomes(plain, embedded=(), istiod=())
    differs = outcomes(plain, embedded=(), istiod=("status 503",))
    assert (verdict(same), verdict(differs)) == ("same", "unexplained")
    assert verdict(outcomes(limited, embedded=(), istiod=("status 503",))) == "limit"
    assert verdict(outcomes(limited, embedded=("status 503",), istiod=())) == "unexplained"
    assert verdict(outcomes(refused, embedded=(), istiod=())) == "limit"
    counts = counted([*same, *outcomes(refused, embedded=(), istiod=())])
    assert counts["group"] == {"behaviours": 1, "refusals": 1, "same": 1, "limits": 1}
    assert told(differs, 5)["unexplained"] == [{"case": "group/plain", "istiod": ["status 503"]}]

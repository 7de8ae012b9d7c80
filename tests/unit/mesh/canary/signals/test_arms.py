"""What both arms answered: errors, slow requests, pods, times; never numbers that do not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.canary.model import ArmSample, PodSample
from mesh.canary.signals.arms import Counted, missing_edges, too_silent
from mesh.canary.signals.counters import Reading, Series, Target
from mesh.canary.signals.source import NoEvidence, Scrape
from tests.unit.mesh.canary.signals.proxies import (
    CANARY,
    GATEWAY,
    MEASURED,
    MIRRORED,
    STABLE,
    WEB,
    durations,
    reading,
    requests,
)

NONE: dict[Series, float] = {}


def scraped(*readings: Reading) -> Scrape:
    """What is new after empty readings of all these targets a second before the first."""
    counted = Counted(MEASURED)
    begin = min(one.at for one in readings) - 1
    assert counted.scrape([reading(one.target, begin, NONE) for one in readings]) is None
    found = counted.scrape(readings)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("labels", "failed"),
    [
        ({"code": "200"}, False),
        ({"code": "404"}, False),
        ({"code": "500"}, True),
        ({"code": "503", "response_flags": "UF"}, True),
        ({"code": "0", "response_flags": "DC"}, True),
        ({"code": "0", "response_flags": "-"}, False),
        ({"code": "404", "response_flags": "NR"}, True),
        ({"code": "200", "response_flags": "UPE,URX"}, True),
        ({"code": "429", "response_flags": "RL"}, False),
        ({"code": "200", "grpc_response_status": "0"}, False),
        ({"code": "200", "grpc_response_status": "OK"}, False),
        ({"code": "200", "grpc_response_status": "-"}, False),
        ({"code": "200", "grpc_response_status": "14"}, True),
        ({"code": "200", "grpc_response_status": "UNAVAILABLE"}, True),
    ],
)
def test_what_counts_as_an_error(labels: dict[str, str], failed: bool) -> None:
    found = scraped(reading(GATEWAY, 5, {requests(**labels): 3}))
    assert found.stable == ArmSample(3, 3 * failed, (0, 0))


def test_callers_are_summed_and_pods_are_what_their_own_proxies_say() -> None:
    at_the_pod = {requests("v2", "destination"): 8, requests("v2", "destination", "500"): 1}
    found = scraped(
        reading(GATEWAY, 5, {requests("v1"): 10, requests("v2"): 5, requests("v2", code="503"): 1}),
        reading(WEB, 5, {requests("v1"): 4, requests("v2"): 4}),
        reading(CANARY, 5, at_the_pod),
        reading(STABLE, 5, {}),
    )
    assert found.stable == ArmSample(14, 0, (0, 0), {"links-v1-a": PodSample(0, 0)})
    assert found.canary == ArmSample(10, 1, (0, 0), {"links-v2-a": PodSample(9, 1)})


def test_two_callers_that_are_sampled_at_different_times() -> None:
    counted = Counted(MEASURED)
    counted.scrape(
        [reading(GATEWAY, 10, {requests(): 1}), reading(WEB, 13, {requests(): 1}), reading(STABLE, 9, {})]
    )
    new = [reading(GATEWAY, 15, {requests(): 3}), reading(WEB, 18, {requests(): 2}), reading(STABLE, 19, {})]
    found = counted.scrape(new)
    assert found is not None
    assert (found.since, found.until, found.stable.requests) == (10, 18, 3)


def test_nothing_is_new_while_no_caller_was_read_again() -> None:
    counted = Counted(MEASURED)
    counted.scrape([reading(GATEWAY, 10, {requests(): 1}), reading(STABLE, 10, {})])
    assert counted.scrape([reading(GATEWAY, 10, {requests(): 1})]) is None
    pod = reading(STABLE, 15, {requests(reporter="destination"): 4})
    assert counted.scrape([pod]) is None
    found = counted.scrape([reading(GATEWAY, 16, {requests(): 5}), pod])
    assert found is not None
    assert found.stable == ArmSample(4, 0, (0, 0), {"links-v1-a": PodSample(4, 0)})


def at_pod(
    version: str, *, method: str = "GET", code: str = "200", slow: int = 0, fast: int = 0
) -> dict[Series, float]:
    """What a pod's own proxy counts; what is slow takes 120 ms."""
    more = {"reporter": "destination", "request_method": method, "code": code}
    buckets = {"100": fast, "250": fast + slow, "+Inf": fast + slow}
    return {requests(version, **more): fast + slow, **durations(buckets, version, **more)}


def test_of_mirrored_requests_the_pods_own_proxies_count_those_by_the_method_that_is_copied() -> None:
    counted = Counted(MIRRORED)
    counted.scrape([reading(target, 0, NONE) for target in (GATEWAY, STABLE, CANARY)])
    found = counted.scrape(
        [
            # What callers count, by whatever method, is none of it.
            reading(GATEWAY, 3, {requests("v1", request_method="GET"): 50, requests("v2", code="503"): 9}),
            reading(STABLE, 5, {**at_pod("v1", fast=7, slow=2), **at_pod("v1", method="other", slow=30)}),
            reading(CANARY, 6, {**at_pod("v2", fast=5), **at_pod("v2", code="500", slow=1)}),
        ]
    )
    assert found is not None
    assert (found.since, found.until) == (0, 6)
    assert found.stable == ArmSample(9, 0, (2, 0), {"links-v1-a": PodSample(9, 0)})
    assert found.canary == ArmSample(6, 1, (1, 0), {"links-v2-a": PodSample(6, 1)})


def test_nothing_is_new_of_mirrored_requests_while_no_pod_was_read_again() -> None:
    counted = Counted(MIRRORED)
    counted.scrape([reading(GATEWAY, 10, {requests(): 1}), reading(STABLE, 10, {})])
    assert counted.scrape([reading(GATEWAY, 15, {requests(): 9}), reading(STABLE, 10, {})]) is None
    found = counted.scrape([reading(GATEWAY, 16, {requests(): 12}), reading(STABLE, 17, {})])
    assert found is not None
    assert (found.since, found.until, found.stable.requests) == (10, 17, 0)


def test_requests_of_every_method_may_be_judged_by_what_pods_count() -> None:
    counted = Counted(replace(MIRRORED, method=""))
    counted.scrape([reading(STABLE, 0, NONE)])
    both = {**at_pod("v1", fast=7), **at_pod("v1", method="other", slow=3)}
    found = counted.scrape([reading(STABLE, 5, both)])
    assert found is not None
    assert found.stable == ArmSample(10, 0, (3, 0), {"links-v1-a": PodSample(10, 0)})


def test_without_any_request_there_is_a_scrape_of_nothing() -> None:
    found = scraped(reading(GATEWAY, 10, {}), reading(STABLE, 11, {}))
    assert (found.since, found.until) == (9, 11)
    assert found.stable == ArmSample(0, 0, (0, 0), {"links-v1-a": PodSample(0, 0)})


def test_slow_requests_are_those_above_each_edge() -> None:
    histogram = durations({"50": 4, "100": 6, "250": 9, "+Inf": 10})
    assert scraped(reading(GATEWAY, 5, {requests(): 10, **histogram})).stable.slow == (4, 1)


def test_durations_that_come_later_than_their_requests_are_said_with_the_next() -> None:
    counted = Counted(MEASURED)
    counted.scrape([reading(GATEWAY, 0, {})])
    nothing = durations({"100": 0, "250": 0, "+Inf": 0})
    late = durations({"100": 2, "250": 9, "+Inf": 12})  # ten and three are slow
    found = [
        counted.scrape([reading(GATEWAY, at, {requests(): count, **histogram})])
        for at, count, histogram in (
            (5, 10, nothing),
            (10, 12, late),
            (15, 12, late),
            (20, 19, late),
            (25, 30, late),
        )
    ]
    assert [one.stable.slow for one in found if one] == [(0, 0), (2, 2), (0, 0), (7, 1), (1, 0)]


def test_what_other_services_and_versions_count_is_none_of_it() -> None:
    others = {
        requests(destination_service_name="web"): 3,
        requests(destination_service_namespace="other"): 3,
        requests("v3"): 3,
        requests("unknown", code="503", response_flags="UH"): 3,
    }
    found = scraped(reading(GATEWAY, 5, {requests(): 1, **others}))
    assert (found.stable.requests, found.canary.requests) == (1, 0)


def test_a_proxy_without_a_bucket_at_an_edge_is_no_evidence_and_loses_none() -> None:
    counted = Counted(MEASURED)
    counted.scrape([reading(GATEWAY, 0, {})])
    with pytest.raises(NoEvidence, match="no bucket of the durations that gateway counts ends at 250 ms"):
        counted.scrape([reading(GATEWAY, 5, {requests(): 2, **durations({"100": 1, "+Inf": 2})})])
    whole = durations({"100": 1, "250": 2, "+Inf": 2})
    found = counted.scrape([reading(GATEWAY, 10, {requests(): 2, **whole})])
    assert found is not None
    assert (found.since, found.stable) == (0, ArmSample(2, 0, (1, 0)))


def test_edges_that_are_no_bounds_are_named_with_the_bounds_there_are() -> None:
    assert missing_edges(MEASURED, (50.0, 100.0, 250.0, float("inf"))) == ""
    assert missing_edges(MEASURED, ()) == "", "nobody knows before the first request"
    assert missing_edges(MEASURED, (50.0, 100.0, 300.0, float("inf"))) == (
        "no bucket of links's durations ends at 250 ms; there are 50, 100, 300"
    )


def test_one_of_ten_may_be_silent() -> None:
    ten = [f"pod-{number}" for number in range(10)]
    assert too_silent("pods", ten[1:], ten[:1]) == ""
    assert too_silent("pods", [], []) == ""
    assert too_silent("pods", ten[2:], ten[:2]) == "only 8 of 10 pods answered, not pod-0, pod-1"


counts = st.integers(0, 10**6)
targets = st.sampled_from([GATEWAY, WEB, STABLE, CANARY])
series = st.sampled_from(
    [
        *(
            requests(version, side, code)
            for version in ("v1", "v2")
            for side in ("source", "destination")
            for code in ("200", "500")
        ),
        *durations({"100": 0, "250": 0, "+Inf": 0}),
    ]
)


@given(st.lists(st.lists(st.tuples(targets, st.dictionaries(series, counts)), max_size=6), max_size=6))
def test_whatever_proxies_show_samples_fit_or_nothing_is_said(
    rounds: list[list[tuple[Target, dict[Series, int]]]],
) -> None:
    """A sample that does not fit is refused by its own struct."""
    counted = Counted(MEASURED)
    for number, shown in enumerate(rounds):
        try:
            found = counted.scrape([reading(target, number, values) for target, values in shown])
        except NoEvidence:
            continue
        assert found is None or found.since <= found.until

"""What Prometheus answers, made into readings."""

from __future__ import annotations

import msgspec
import pytest

from mesh.canary.signals.matrix import Found, decode, fill, one_of, passed_over, readings, scraped, settled
from mesh.canary.signals.source import NoEvidence
from tests.unit.mesh.canary.signals.proxies import STABLE, labels, reading, requests

POD = {"namespace": "shop", "pod": "links-v1-a"}
KEY = "shop/links-v1-a"


def up(job: str, values: dict[float, int], instance: str = "a", **pod: str) -> Found:
    metric = {"__name__": "up", "job": job, "instance": instance, **(pod or POD)}
    return Found(metric, [(at, str(value)) for at, value in values.items()])


def counter(job: str, values: dict[float, float], instance: str = "a") -> Found:
    metric = {"__name__": "istio_requests_total", "job": job, "instance": instance, **POD, **labels()}
    return Found(metric, [(at, str(value)) for at, value in values.items()])


def test_every_sample_belongs_to_the_scrape_it_is_of() -> None:
    targets = scraped([up("sidecars", {1: 1, 2: 1, 3: 0, 4: 1})])
    later = 5
    fill(targets, [counter("sidecars", {1: 7, 4: 9, later: 12})])
    series = requests(**POD)
    assert readings(STABLE, targets[KEY]) == [
        reading(STABLE, 1, {series: 7}),
        reading(STABLE, 2, {}),
        reading(STABLE, 4, {series: 9}),
    ]


def test_a_pod_that_two_jobs_scrape_counts_once() -> None:
    counters = [counter("envoy", {1: 7}), counter("pods", {2: 7})]
    for answers, job in ((1, "envoy"), (0, "pods")):
        targets = scraped([up("pods", {2: 1}), up("envoy", {1: answers})])
        fill(targets, counters)
        assert targets[KEY].labels["job"] == job
        [only] = readings(STABLE, targets[KEY])
        assert only.values == {requests(**POD): 7}


def test_a_pod_whose_address_changed_is_read_at_its_new_one() -> None:
    found = scraped([up("sidecars", {1: 1, 2: 1}, "old"), up("sidecars", {3: 0}, "new")])
    assert (found[KEY].labels["instance"], found[KEY].answers) == ("new", False)


def test_all_that_answer_are_waited_for() -> None:
    memory = {KEY: reading(STABLE, 2, {})}
    assert not settled(memory, scraped([up("sidecars", {1: 1, 2: 1})]))
    assert settled(memory, scraped([up("sidecars", {1: 1, 2: 1, 3: 1})]))
    assert settled(memory, scraped([up("sidecars", {1: 1, 2: 1, 3: 0})])), "one that is down is not"


def test_who_is_not_scraped_any_more_is_passed_over() -> None:
    other = up("sidecars", {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, pod="web-1")
    ended, late = up("sidecars", {1: 1, 2: 0}), up("sidecars", {1: 1, 3: 1}, pod="late")
    slower = up("slow", {1: 1}, pod="slow")
    assert passed_over(scraped([other, ended, late, slower])) == {KEY}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"<html>", "does not speak its language"),
        (b'{"status": 3}', "does not speak its language"),
        (b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}', "does not speak"),
        (b'{"status": "error", "error": "query timed out"}', "Prometheus refused a query: query timed out"),
    ],
)
def test_what_is_no_result_is_no_evidence(text: bytes, why: str) -> None:
    with pytest.raises(NoEvidence, match=why):
        decode(text)


def test_words_are_literal_in_a_regular_expression() -> None:
    assert msgspec.json.decode(one_of(["v1.2", 'a"b|c', "x-1"])) == 'v1\\.2|a\\"b\\|c|x-1'

"""Stable's past: scrapes as they would have been, none across a hole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mesh.canary.model import ArmSample, PodSample
from mesh.canary.signals.counters import Reading
from mesh.canary.signals.past import Slots
from tests.unit.mesh.canary.signals.proxies import (
    GATEWAY,
    MEASURED,
    MIRRORED,
    STABLE,
    durations,
    reading,
    requests,
)

AT_POD = requests(reporter="destination")


def shown(times: Sequence[float], scrape_s: float = 15) -> list[Reading]:
    """The gateway a second before the pod; ten requests a second, one of each interval slow."""
    found = []
    for at in times:
        number = at // scrape_s
        histogram = durations({"100": 10 * at - number, "250": 10 * at, "+Inf": 10 * at})
        found.append(reading(GATEWAY, at - 1, {requests(): 10 * at, **histogram}))
        found.append(reading(STABLE, at, {AT_POD: 10 * at}))
    return found


def samples(found: list[Reading], scrape_s: float = 15) -> list[ArmSample]:
    slots = Slots(MEASURED, scrape_s)
    slots.add(found[: len(found) // 2])
    slots.add(found[len(found) // 2 :])
    return slots.samples()


SAMPLE = ArmSample(150, 0, (1, 0), {"links-v1-a": PodSample(150, 0)})


def test_every_interval_is_a_scrape() -> None:
    assert samples(shown(range(15, 151, 15))) == [SAMPLE] * 9


def test_moments_that_tremble_stay_in_their_intervals() -> None:
    times = [at + wobble for at, wobble in zip(range(15, 151, 15), [0, 0.2, -0.2] * 4, strict=False)]
    assert len(samples(shown(times))) == 9


def test_a_faster_source_is_added_up() -> None:
    found = samples(shown(range(15, 166, 5)))
    assert found[1:-1] == [SAMPLE] * (len(found) - 2)
    assert sum(sample.requests for sample in found) == 1500


def test_a_slower_source_has_no_such_scrapes() -> None:
    assert samples(shown(range(30, 301, 30))) == []


def test_what_a_hole_hides_is_left_out() -> None:
    times = [15, 30, 45, 60, 120, 135, 150]
    assert samples(shown(times)) == [SAMPLE] * 5


@pytest.mark.parametrize("missing", [GATEWAY, STABLE])
def test_a_scrape_without_one_of_two_proxies_is_left_out(missing: object) -> None:
    found = [one for one in shown(range(15, 151, 15)) if one.target is not missing or one.at // 15 != 5]
    assert len(samples(found)) == 7


def test_the_past_of_what_pods_count_needs_no_caller() -> None:
    own = {"reporter": "destination", "request_method": "GET"}
    slots = Slots(MIRRORED, 15)
    for number in range(1, 11):
        at = 15.0 * number
        histogram = durations({"100": 149 * number, "250": 150 * number, "+Inf": 150 * number}, **own)
        other = {requests(reporter="destination", request_method="other", code="500"): 7 * number}
        slots.add([reading(STABLE, at, {requests(**own): 150 * number, **histogram, **other})])
        if number != 5:
            slots.add([reading(GATEWAY, at + 1, {requests(): 10 * at})])
    assert slots.samples() == [SAMPLE] * 9

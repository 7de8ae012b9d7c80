import asyncio

import pytest
from prometheus_client import CollectorRegistry, Counter

from services.kit.errors import Unavailable
from services.kit.serving.admission import Admission

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def admission(registry: CollectorRegistry, *, capacity: int, queue: int, timeout_s: float = 5) -> Admission:
    shed = Counter("shed", "Refused.", registry=registry)
    return Admission(capacity=capacity, queue=queue, timeout_s=timeout_s, shed=shed)


async def test_never_more_than_its_capacity_run_and_everybody_gets_a_turn(
    registry: CollectorRegistry,
) -> None:
    places = admission(registry, capacity=3, queue=100)
    running, most = 0, 0

    async def work() -> None:
        nonlocal running, most
        async with places:
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work() for _ in range(50)))
    assert (running, most) == (0, 3)


async def test_one_too_many_is_refused_and_counted(registry: CollectorRegistry) -> None:
    places = admission(registry, capacity=1, queue=0)
    async with places:
        with pytest.raises(Unavailable) as raised:
            async with places:
                raise AssertionError("it had a place")
    assert raised.value.headers["retry-after"] == "1"
    assert registry.get_sample_value("shed_total") == 1
    async with places:
        pass


async def test_who_gives_up_leaves_no_hole(registry: CollectorRegistry) -> None:
    places = admission(registry, capacity=1, queue=1)

    async def wait() -> None:
        async with places:
            pass

    async with places:
        for _ in range(3):
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
    async with asyncio.timeout(30):
        await asyncio.gather(wait(), wait())


async def test_a_place_handed_over_to_one_who_is_just_leaving_is_handed_on(
    registry: CollectorRegistry,
) -> None:
    places = admission(registry, capacity=1, queue=5)

    async def wait() -> None:
        async with places:
            pass

    async with places:
        leaving, staying = asyncio.create_task(wait()), asyncio.create_task(wait())
        await asyncio.sleep(0)
    # The place is the first one's now, and it has not run since.
    leaving.cancel()
    async with asyncio.timeout(30):
        await staying
        await wait()


async def test_who_waits_too_long_is_refused(registry: CollectorRegistry) -> None:
    places = admission(registry, capacity=1, queue=1, timeout_s=0.01)
    async with places:
        with pytest.raises(Unavailable):
            await places.__aenter__()


async def test_a_larger_capacity_lets_in_who_waits(registry: CollectorRegistry) -> None:
    places = admission(registry, capacity=1, queue=2)
    async with places:
        waiting = [asyncio.create_task(places.__aenter__()) for _ in range(2)]
        await asyncio.sleep(0)
        places.resize(capacity=2, queue=0, timeout_s=5)
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [True, False]
        with pytest.raises(Unavailable):
            async with places:
                pass
    await waiting[1]


async def test_a_smaller_capacity_lets_nobody_in_until_enough_have_left(registry: CollectorRegistry) -> None:
    places = admission(registry, capacity=3, queue=1)
    for _ in range(3):
        await places.__aenter__()
    places.resize(capacity=1, queue=1, timeout_s=5)
    waiting = asyncio.create_task(places.__aenter__())
    for left in (False, False, True):
        await asyncio.sleep(0)
        assert not waiting.done()
        await places.__aexit__(None, None, None)
        await asyncio.sleep(0)
        assert waiting.done() is left

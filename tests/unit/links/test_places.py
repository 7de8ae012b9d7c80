import asyncio

import pytest

from services.kit.errors import TooManyRequests
from services.links.places import Places

pytestmark = pytest.mark.anyio


def places(*, most: int = 3, each: int = 2, line: int = 8, patience_s: float = 60) -> Places:
    return Places("things", most=most, each=each, line=line, patience_s=patience_s, retry_after_s=2)


async def test_no_more_run_than_there_are_places_and_of_one_caller_no_more_than_its_share() -> None:
    some = places()
    running: list[int] = []
    together: set[tuple[int, ...]] = set()

    async def run(caller: int) -> None:
        async with some.of(caller):
            running.append(caller)
            together.add(tuple(sorted(running)))
            await asyncio.sleep(0)
            running.remove(caller)

    await asyncio.gather(*(run(caller) for caller in (1, 1, 1, 1, 2, 2, 3)))
    assert (1, 1, 2) in together
    assert max(map(len, together)) == 3
    assert max(among.count(1) for among in together) == 2


async def test_who_is_too_many_is_told_whose_the_others_are() -> None:
    some = places(most=2, each=1, line=0)
    async with some.of(1):
        with pytest.raises(TooManyRequests, match="things of yours") as refused:
            await some.of(1).__aenter__()
        assert refused.value.headers == {"retry-after": "2"}
        async with some.of(2):
            with pytest.raises(TooManyRequests, match="things of others"):
                await some.of(3).__aenter__()
        async with some.of(3):
            pass
    async with some.of(1), some.of(2):
        pass


async def test_who_waits_too_long_leaves_and_takes_no_place_along() -> None:
    some = places(most=2, each=1, line=8, patience_s=0)
    async with some.of(1), some.of(2):
        with pytest.raises(TooManyRequests, match="of yours"):
            await some.of(1).__aenter__()
        with pytest.raises(TooManyRequests, match="of others"):
            await some.of(3).__aenter__()
    async with some.of(1), some.of(3):
        pass


async def test_one_caller_has_a_quarter_of_the_line_and_who_gives_up_leaves_it() -> None:
    some = places(most=1, each=1, line=8)

    async def wait(caller: int) -> None:
        async with some.of(caller):
            pass

    async with some.of(1):
        waiting = [asyncio.create_task(wait(caller)) for caller in (1, 1, 2, 2, 2, 3, 3)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests, match="of yours"):
            await wait(1)
        waiting.append(asyncio.create_task(wait(4)))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests, match="of others"):
            await wait(5)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        waiting[0] = asyncio.create_task(wait(5))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)

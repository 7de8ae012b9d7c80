import asyncio

import pytest

from services.kit.errors import TooManyRequests
from services.kit.serving.turns import Turns

pytestmark = pytest.mark.anyio


async def test_one_caller_waits_for_itself_and_nobody_for_another() -> None:
    turns = Turns(most=10)
    running: list[int] = []
    together: set[tuple[int, ...]] = set()

    async def write(caller: int) -> None:
        async with turns.of(caller):
            running.append(caller)
            await asyncio.sleep(0)
            together.add(tuple(sorted(running)))
            running.remove(caller)

    await asyncio.gather(*(write(caller) for caller in (1, 1, 1, 2, 2)))
    assert (1, 2) in together
    assert not together & {(1, 1), (2, 2)}


async def test_a_line_has_an_end_and_who_gives_up_leaves_it() -> None:
    turns = Turns(most=2)
    async with turns.of(1):

        async def wait() -> None:
            async with turns.of(1):
                pass

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await wait()
        async with turns.of(2):
            pass
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
    await waiting

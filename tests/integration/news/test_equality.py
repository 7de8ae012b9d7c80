"""Timelines made by events equal those made anew, after random histories."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.conftest import RunningRedis
from tests.integration.news.history import Dice, History
from tests.integration.news.owners import Owners, served
from tests.integration.news.world import opened

SEED = 20_26
LONG = 10_000


def machine(redis_server: RunningRedis, owners: Owners, address: str) -> type[RuleBasedStateMachine]:
    """The rules of a history, on a real Redis and real HTTP."""

    class Timelines(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.stack = AsyncExitStack()

        @initialize(seed=st.integers(0, 2**32))
        def begin(self, seed: int) -> None:
            vars(owners).update(vars(Owners()))
            opening = self.stack.enter_async_context(opened(redis_server.url(2), owners, address))
            self.history = History(self.runner.run(opening), Dice(seed))

        @rule(times=st.integers(1, 12))
        def act(self, times: int) -> None:
            for _ in range(times):
                self.history.act()

        @rule(again=st.booleans())
        def hear(self, again: bool) -> None:
            self.runner.run(self.history.hear(again=again))

        @rule()
        def hear_all(self) -> None:
            self.runner.run(self.history.hear_all())

        @rule()
        def rebuild(self) -> None:
            self.runner.run(self.history.rebuild())

        @rule()
        def lose(self) -> None:
            self.runner.run(self.history.lose())

        def teardown(self) -> None:
            try:
                if hasattr(self, "history"):
                    self.runner.run(self.history.check_equal_to_rebuilt())
            finally:
                self.runner.run(self.stack.aclose())
                self.runner.close()

    return Timelines


def test_incremental_is_rebuilt_after_any_history(redis_server: RunningRedis) -> None:
    owners = Owners()
    some = settings(
        max_examples=8,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    with served(owners) as address:
        run_state_machine_as_test(machine(redis_server, owners, address), settings=some)


@pytest.mark.slow
@pytest.mark.anyio
async def test_incremental_is_rebuilt_after_ten_thousand_actions(redis_server: RunningRedis) -> None:
    owners, dice = Owners(), Dice(SEED)
    with served(owners) as address:
        async with opened(redis_server.url(2), owners, address) as world:
            history = History(world, dice)
            while history.actions < LONG:
                history.act()
                what = dice.below(1_000)
                if what < 600:
                    await history.hear(again=what < 120)
                elif what < 640:
                    await history.hear_all()
                elif what < 643:
                    await history.rebuild()
                elif what < 644:
                    await history.lose()
                elif what < 670:
                    await history.hear_all()
                    await history.check()
            await history.check_equal_to_rebuilt()

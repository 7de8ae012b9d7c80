"""Work beside a block ends with it, also where a cancellation gets lost."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from services.kit.background import background

pytestmark = pytest.mark.anyio


async def test_it_ends_with_the_block() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with background(work()):
        await began.wait()
    assert ended.is_set()


async def test_a_cancellation_that_is_lost_comes_again() -> None:
    answer, waiting = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        while True:
            waiting.set()
            try:
                await asyncio.wait_for(answer.wait(), 60)
            finally:
                answer.clear()

    async with asyncio.timeout(30):
        async with background(work()):
            await waiting.wait()
            await asyncio.sleep(0)
            answer.set()
            await asyncio.sleep(0)  # the answer is there, who waits for it has not run yet


async def test_work_that_takes_a_cancellation_for_a_failure_ends_too() -> None:
    refusals = 3

    async def work() -> None:
        nonlocal refusals
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                refusals -= 1
                if refusals < 0:
                    raise

    async with background(work()):
        await asyncio.sleep(0)
    assert refusals < 0


async def test_a_fault_is_told_and_stops_nothing_else() -> None:
    stopped = asyncio.Event()

    async def broken() -> None:
        raise ValueError("no such thing")

    async def sound() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with structlog.testing.capture_logs() as logs:
        async with background(broken(), sound()) as tasks:
            await asyncio.wait(tasks[:1])
            assert not tasks[1].done()
    assert stopped.is_set()
    assert [(entry["log_level"], entry["error"]) for entry in logs] == [
        ("critical", "ValueError('no such thing')")
    ]

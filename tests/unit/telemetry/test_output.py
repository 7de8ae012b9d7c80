"""Lines that leave the process by a thread: nobody waits for the reader, what is lost is counted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry

from telemetry.output import Output, count_dropped

WITHIN_S = 10.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_lines_come_whole_and_in_order(pipe: tuple[int, int]) -> None:
    output = Output(pipe[1])
    for number in range(1_000):
        output.write(b"%d" % number)
    output.close()
    os.close(pipe[1])
    with os.fdopen(os.dup(pipe[0]), "rb") as stream:
        assert stream.read().split() == [b"%d" % number for number in range(1_000)]
    assert output.dropped == 0


def test_a_reader_that_hangs_blocks_nobody_and_what_is_lost_is_counted_and_told(
    pipe: tuple[int, int],
) -> None:
    output = Output(pipe[1], limit_bytes=200_000, told=lambda count: b"lost %d" % count)
    line = b"x" * 999
    slowest = 0.0
    for _ in range(2_000):
        began = time.perf_counter()
        output.write(line)
        slowest = max(slowest, time.perf_counter() - began)
    # The pipe holds 64 KiB, the queue 200,000 bytes: of 2,000,000 the most are gone.
    assert output.dropped > 1_500
    assert slowest < WITHIN_S, "who waits for the pipe waits for ever"
    registry = CollectorRegistry()
    count_dropped(registry, [output])
    assert registry.get_sample_value("telemetry_log_lines_dropped_total") == output.dropped
    lost = output.dropped
    with os.fdopen(os.dup(pipe[0]), "rb") as stream:
        received = [stream.readline()]
        while not received[-1].startswith(b"lost"):
            received.append(stream.readline())
    assert int(received[-1].split()[1]) == lost
    assert len(received) - 1 == 2_000 - lost
    assert set(received[:-1]) == {line + b"\n"}
    output.close()
    os.close(pipe[1])


def test_without_a_reader_the_process_goes_on(pipe: tuple[int, int]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = Output(writing)
    for _ in range(3):
        output.write(b"x")
        until(lambda: not output._lines)
    until(lambda: output.dropped == 3)
    output.close()
    os.close(writing)
    os.close(pipe[1])


def test_a_descriptor_that_somebody_made_nonblocking_loses_nothing(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    output = Output(pipe[1])
    for _ in range(500):
        output.write(b"y" * 999)
    with os.fdopen(os.dup(pipe[0]), "rb") as stream:
        assert all(stream.readline() == b"y" * 999 + b"\n" for _ in range(500))
    assert output.dropped == 0
    output.close()
    os.close(pipe[1])


def test_the_last_words_of_a_process_with_a_hanging_reader_have_their_time(pipe: tuple[int, int]) -> None:
    output = Output(pipe[1])
    for _ in range(200):
        output.write(b"z" * 999)
    began = time.monotonic()
    output.close(within_s=0.2)
    assert time.monotonic() - began < 5.0
    with os.fdopen(os.dup(pipe[0]), "rb") as stream:
        assert all(stream.readline() for _ in range(200))
    os.close(pipe[1])

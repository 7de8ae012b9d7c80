"""A run as a report has it, with the figures that a test wants."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from delinkcious.load.report import Block, Figures, Machine, Run
from delinkcious.load.resources import Usage
from delinkcious.load.slow import Slow
from loadtest.mix import load_mix

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def figures(blocks: list[Block], *, count: int = 1_000, failed: int = 0) -> Figures:
    """Of these blocks."""
    first = blocks[0]
    errors = {"503": failed} if failed else {}
    return Figures(
        count, count - failed, first.rate, errors, 9.0, first.p50_ms, first.p90_ms, first.p99_ms, 0, blocks
    )


def blocks(*p99s_ms: float, rate: float = 50.0) -> list[Block]:
    return [Block(rate, p99 / 5, p99 / 2, p99, 0) for p99 in p99s_ms]


def run(total: Figures | None = None, **other: Any) -> Run:
    """A run; `other` replaces fields."""
    known = total or figures(blocks(100, 101, 99, 100, 102, 98))
    made = Run(
        command="delinkcious load run --users 20",
        began_at=dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC),
        seconds=60.0,
        interrupted=False,
        target="https://127.0.0.1:8443",
        loop="closed",
        shape="steady",
        asked=20,
        mix=load_mix(),
        seed=1,
        traced_share=1.0,
        sampling="1000 requests (100%) were forced to be traced.",
        late_ms=0.0,
        commit="abc1234",
        machine=Machine("a processor", 2, 8.0, "Linux 6", "3.11", 0.1),
        block_s=3.0,
        total=known,
        journeys={"reader": known},
        requests={"list links": known},
        processes=[Usage("service", "links-v1", 3.0, 0.05, 2**26, 2**27)],
        slowest=[
            Slow(
                "list links", "reader", 1.0, 80.0, 0.0, "200", TRACE,
                [f"http://127.0.0.1:7070/traces/{TRACE}"],
                "61 ms of 80 ms waited for SELECT links in links", "", True,
            ),
            Slow("search", "searcher", 2.0, 70.0, 5.0, "200", "", [], "", "it was not sampled", False),
        ],
    )  # fmt: skip
    return msgspec.structs.replace(made, **other)

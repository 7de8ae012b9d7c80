"""What `load run` and `load capacity` are both told, and how durations are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

MAX_ACCOUNTS = 500
MAX_USERS, MAX_RATE, MAX_PROCESSES, MAX_STEP_S = 5_000, 20_000, 64, 600
FAILED_SHARE = 0.01
SHORTEST_S, LONGEST_S = 1.0, 24 * 3600.0
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|)")


class Duration(click.ParamType[float]):
    """Seconds, written as 90, 90s, 5m or 2h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not like 90s, 5m or 2h", param, ctx)
        seconds = float(found[1]) * _SECONDS[found[2]]
        if not SHORTEST_S <= seconds <= LONGEST_S:
            self.fail(f"{value} is not between {SHORTEST_S:g} s and {LONGEST_S / 3600:g} h", param, ctx)
        return seconds


LASTS = Duration()

_BOTH = (
    click.option(
        "--mix", type=click.Path(path_type=Path), help="Weights and think times [default: loadtest/mix.yaml]."
    ),
    click.option(
        "--accounts",
        type=click.IntRange(1, MAX_ACCOUNTS),
        default=40,
        show_default=True,
        help="So many are made and signed in; each has its own limits.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31),
        default=1,
        show_default=True,
        help="Another number, other chance.",
    ),
    click.option(
        "--report",
        type=click.Path(path_type=Path),
        help="Write PATH.html and PATH.json [default: by kind and time, here].",
    ),
    click.option(
        "--jaeger", metavar="URL", help="Where Jaeger answers [default: the one of this installation]."
    ),
    click.option(
        "--state",
        type=click.Path(path_type=Path),
        help="The installation's folder [default: .delinkcious of the checkout].",
    ),
    click.option(
        "--i-own-this-host", "owned", is_flag=True, help="The server is mine, though it is not this machine."
    ),
)


_OF_RUN = (
    click.option(
        "--users", type=click.IntRange(1, MAX_USERS), help="So many people, who think and wait [default: 20]."
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0.1, MAX_RATE),
        help="Instead of users: so many requests a second, sent when they are due (open loop).",
    ),
    click.option("--duration", type=LASTS, default="60s", show_default=True, help="Such as 90s, 5m, 2h."),
    click.option(
        "--shape",
        type=click.Choice(["steady", "ramp", "spike", "soak"]),
        default="steady",
        show_default=True,
        help="How the load changes over the time.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(1, MAX_PROCESSES),
        default=1,
        show_default=True,
        help="Of locust: one fills about a core.",
    ),
    click.option(
        "--traced",
        type=click.FloatRange(0, 1),
        help="The share of requests whose trace is forced [default: 1 where Jaeger runs, else 0].",
    ),
    click.option(
        "--max-failed",
        type=click.FloatRange(0, 1),
        default=FAILED_SHARE,
        show_default=True,
        help="Exit with 1 when a larger share of the requests fails.",
    ),
)

_OF_CAPACITY = (
    click.option(
        "--from",
        "first",
        type=click.FloatRange(1, MAX_RATE),
        default=20.0,
        show_default=True,
        help="Requests a second, first.",
    ),
    click.option(
        "--to",
        "most_rate",
        type=click.FloatRange(1, MAX_RATE),
        default=5_000.0,
        show_default=True,
        help="Never more.",
    ),
    click.option(
        "--factor", type=click.FloatRange(1.1, 4), default=1.5, show_default=True, help="From step to step."
    ),
    click.option(
        "--step",
        "step_s",
        type=click.FloatRange(1, MAX_STEP_S),
        default=15.0,
        show_default=True,
        help="Seconds each.",
    ),
    click.option(
        "--within",
        "within_s",
        type=click.FloatRange(0.01, 10),
        default=1.0,
        show_default=True,
        help="Answers that take longer (seconds) do not count.",
    ),
    click.option(
        "--refine",
        type=click.IntRange(0, 10),
        default=3,
        show_default=True,
        help="Steps more around the knee.",
    ),
)


def _all(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    def give(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return give


load_options, run_options, capacity_options = _all(_BOTH), _all(_OF_RUN), _all(_OF_CAPACITY)

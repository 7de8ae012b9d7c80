"""Budgets: what each layer may cost, as a ratio to the calibration; ratios and verdicts, without I/O.

A budget's name is `operation/place/part`: `list/mesh/sidecar` is CPU of the sidecar, `list/alone/time` the
time of a request to the process alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

# More than the same code differs from one run to the next, less than what is worth finding.
TOLERANCE = 0.15
PARTS = ("gateway", "sidecar", "service", "postgres", "time")

Verdict = Literal["kept", "exceeded", "can be lowered"]


class InvalidBudgets(Exception):
    """The file of budgets cannot be used; the text says where and why."""


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of budgets; `machine` and `date` say where and when they were measured, for readers."""

    machine: str
    date: str
    budgets: dict[str, dict[str, dict[str, float]]]

    def flat(self) -> dict[str, float]:
        """Each budget by its whole name."""
        return dict(_flat(self.budgets))


class Judged(msgspec.Struct, frozen=True):
    """One budget and what was measured; `change` is +0.2 where that is a fifth more than the budget."""

    name: str
    budget: float
    measured: float
    verdict: Verdict

    @property
    def change(self) -> float:
        return self.measured / self.budget - 1


def low(values: Sequence[float]) -> float:
    """The value that a twentieth lies below. Raises ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[len(values) // 20]


def ratio(measured: Sequence[float], calibration: Sequence[float]) -> float:
    """What is measured to the calibration, each where it was least disturbed.

    Whoever else computes makes times longer, and CPU too: it empties caches, for a large program more than
    for a small one. Nothing makes either less. So the lowest twentieth of many short slices differs
    little between a busy machine and an idle one, where medians and means do.
    """
    return low(measured) / low(calibration)


def judge(budgets: Mapping[str, float], measured: Mapping[str, float]) -> list[Judged]:
    """Each thing measured against its budget. Raises InvalidBudgets where either lacks the other."""
    if missing := measured.keys() - budgets.keys():
        raise InvalidBudgets(f"no budget for {', '.join(sorted(missing))}: write the budgets anew")
    if unused := budgets.keys() - measured.keys():
        raise InvalidBudgets(f"not measured: {', '.join(sorted(unused))}")
    return [
        Judged(name, budgets[name], value, _verdict(value / budgets[name]))
        for name, value in measured.items()
    ]


def exceeded(judged: Sequence[Judged]) -> list[str]:
    """The names of what costs more than it may."""
    return [one.name for one in judged if one.verdict == "exceeded"]


def parse(text: bytes) -> Budgets:
    """The content of a file of budgets. Raises InvalidBudgets."""
    try:
        found = msgspec.yaml.decode(text, type=Budgets)
    except msgspec.DecodeError as error:
        raise InvalidBudgets(str(error)) from error
    for name, value in found.flat().items():
        if name.rpartition("/")[2] not in PARTS:
            raise InvalidBudgets(f"{name}: the last part is one of {', '.join(PARTS)}")
        if not 0 < value < float("inf"):
            raise InvalidBudgets(f"{name}: a budget is a ratio above 0, this is {value:g}")
    if not found.budgets:
        raise InvalidBudgets("there are no budgets in it")
    return found


def render(measured: Mapping[str, float], *, machine: str, date: str) -> bytes:
    """A file of budgets that allows what was measured."""
    nested: dict[str, Any] = {}
    for name, value in measured.items():
        operation, place, part = name.split("/")
        nested.setdefault(operation, {}).setdefault(place, {})[part] = float(f"{value:.3g}")
    return msgspec.yaml.encode(Budgets(machine, date, nested))


def _verdict(of_budget: float) -> Verdict:
    if of_budget > 1 + TOLERANCE:
        return "exceeded"
    return "can be lowered" if of_budget < 1 - TOLERANCE else "kept"


def _flat(budgets: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[tuple[str, float]]:
    for operation, places in budgets.items():
        for place, parts in places.items():
            for part, value in parts.items():
                yield f"{operation}/{place}/{part}", value

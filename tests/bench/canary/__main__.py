"""`make bench-canary`: the promises of a rollout's decision, measured in the simulated service.

Prints every scenario (ours, Flagger's rules, Kayenta's rules) and the bars, each beside its threshold. The
seed and the number of runs are arguments; a bar is missed or it is not, whatever the seed.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from mesh.canary.engine import INCONCLUSIVE, PROMOTED, ROLLED_BACK, TERMINAL
from tests.bench.canary import checks
from tests.bench.canary.bars import bars, pooled, share
from tests.bench.canary.environment import AT_THE_MARGIN, SCENARIOS, Scenario
from tests.bench.canary.others import flagger, kayenta
from tests.bench.canary.rollout import Outcome, ours

HEALTHY_FACTOR = 3
KAYENTA_PART, FLAGGER_PART = 0.4, 1.0
CROSSING_FACTOR = 20


def main() -> int:
    """Run, print, and return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make bench-canary")
    parser.add_argument(
        "--runs", type=int, default=1000, help="of a bad scenario; healthy ones three times that"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", help="only those whose name contains this")
    parser.add_argument("--ours", action="store_true", help="without Flagger's and Kayenta's rules")
    asked = parser.parse_args()
    begin = time.monotonic()
    chosen = [scenario for scenario in SCENARIOS if not asked.scenario or asked.scenario in scenario.name]
    if not chosen:
        parser.error("there is no such scenario; there are: " + ", ".join(each.name for each in SCENARIOS))
    print(
        f"seed {asked.seed}: {asked.runs} runs of bad scenarios, {HEALTHY_FACTOR * asked.runs} of healthy\n"
    )
    outcomes = _scenarios(chosen, asked.runs, asked.seed, asked.ours)
    missed = _bars(outcomes)
    if not asked.scenario:
        missed += _checks(asked.runs, asked.seed)
    print(f"\n{missed} missed, {time.monotonic() - begin:.0f} s")
    return int(missed > 0)


def _scenarios(chosen: list[Scenario], runs: int, seed: int, alone: bool) -> dict[str, Outcome]:
    print(
        f"{'scenario':20} {'rules':8} {'runs':>5} {'promoted':>8} {'blamed':>7} {'incon.':>7} {'other':>6}",
        end="",
    )
    print(f" {'p50 min':>8} {'p95 min':>8} {'harmed':>8} {'in 1 h':>8}")
    outcomes = {}
    for scenario in chosen:
        count = runs * (HEALTHY_FACTOR if scenario.healthy else 1)
        outcomes[scenario.name] = ours(scenario, count, seed)
        _row(scenario, "ours", outcomes[scenario.name])
        if not alone:
            _row(scenario, "Flagger", flagger(scenario, max(1, round(FLAGGER_PART * runs)), seed))
            _row(scenario, "Kayenta", kayenta(scenario, max(1, round(KAYENTA_PART * runs)), seed))
    return outcomes


def _row(scenario: Scenario, rules: str, outcome: Outcome) -> None:
    parts = [100 * np.mean(outcome.phase == phase) for phase in (PROMOTED, ROLLED_BACK, INCONCLUSIVE)]
    other = 100 * np.mean(outcome.phase < TERMINAL)
    p50, p95 = np.quantile(outcome.minutes, (0.5, 0.95))
    print(
        f"{scenario.name:20} {rules:8} {len(outcome.phase):5} {parts[0]:8.2f} {parts[1]:7.2f} {parts[2]:7.2f}"
        f" {other:6.2f} {p50:8.2f} {p95:8.2f} {outcome.harmed.mean():8.1f} {outcome.harmed_hour.mean():8.0f}",
        flush=True,
    )


def _bars(outcomes: dict[str, Outcome]) -> int:
    measured = [(bar, bar.measure(outcomes[bar.scenario])) for bar in bars() if bar.scenario in outcomes]
    measured += pooled(outcomes)
    print(f"\n{'bar':>3}  {'scenario':25} {'what':24} {'measured':>10} {'threshold':>12}")
    missed = 0
    for bar, value in sorted(measured, key=lambda pair: pair[0].number):
        sign = ">=" if bar.least else "<="
        missed += _line(
            bar.number,
            bar.scenario,
            bar.what,
            f"{value:.2f}",
            f"{sign} {bar.bound:g} {bar.unit}",
            bar.holds(value),
        )
    return missed


def _checks(runs: int, seed: int) -> int:
    missed = 0
    value = checks.vectors()
    missed += _line(1, "known values", "difference", f"{value:.1e}", "<= 1e-06", value <= 1e-6)
    value = checks.on_the_line()
    missed += _line(1, "on the line", "|log E[e]|", f"{value:.1e}", "<= 1e-12", value <= 1e-12)
    for cell in checks.CELLS:
        value = checks.crossing(cell, CROSSING_FACTOR * runs, seed)
        name = f"{cell.rps:g} rps {100 * cell.share:g} %, {100 * cell.errors:g} %"
        missed += _line(2, name, "ever above 100", f"{value:.2f}", "<= 1 %", value <= 1)
    for scenario in AT_THE_MARGIN:
        value = share(PROMOTED)(ours(scenario, HEALTHY_FACTOR * runs, seed))
        missed += _line("N", scenario.name, "promoted", f"{value:.2f}", "<= 1 %", value <= 1)
    cost = checks.cost(seed)
    missed += _line(17, "a decision", "mean", f"{1000 * cost.mean_s:.2f}", "<= 5 ms", cost.mean_s <= 0.005)
    missed += _line(17, "a decision", "p99", f"{1000 * cost.worst_s:.2f}", "<= 5 ms", cost.worst_s <= 0.005)
    missed += _line(17, "its state", "bytes", f"{cost.state_bytes}", "<= 4096", cost.state_bytes <= 4096)
    alike = "alike" if cost.restarts_alike else "different"
    return missed + _line(17, "200 restarts", "decisions", alike, "alike", cost.restarts_alike)


def _line(number: int | str, where: str, what: str, measured: str, bound: str, holds: bool) -> int:
    print(
        f"{number:>3}  {where:25} {what:24} {measured:>10} {bound:>12}  {'' if holds else 'MISSED'}",
        flush=True,
    )
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())

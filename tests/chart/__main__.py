"""`python -m tests.chart`: judge every combination of values, try every mistake, fail on a surprise."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from delinkcious.chart import CHART
from tests.chart import schema
from tests.chart.manifests import Chart
from tests.chart.matrix import combinations
from tests.chart.mutants import MUTANTS
from tests.chart.mutants.mutant import Tried, try_all
from tests.chart.proof import EVERY_RULE, Outcome, judge
from tests.chart.verdict import sentence

SHOWN = 40


def main() -> int:
    outcome = judge(Chart(CHART), combinations(CHART))
    _print_outcome(outcome)
    with tempfile.TemporaryDirectory(prefix="delinkcious-chart-") as folder:
        tried = list(try_all(MUTANTS, CHART, Path(folder)))
    _print_mutants(tried)
    fine = not (outcome.complaints or outcome.refused or outcome.idle()) and all(
        each.caught for each in tried
    )
    print("all passed" if fine else "FAILED")
    return 0 if fine else 1


def _print_outcome(outcome: Outcome) -> None:
    for rule in EVERY_RULE:
        print(f"{outcome.looked[rule.__name__]:8}  {sentence(rule)}")
    print()
    print(f"{outcome.combinations:8}  combinations of values")
    print(f"{outcome.manifests:8}  manifests, for Kubernetes {', '.join(schema.VERSIONS)}")
    print(f"{len(EVERY_RULE):8}  rules")
    print(f"{outcome.assertions:8}  assertions, of which {len(outcome.complaints)} failed")
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(outcome.skipped.items()))
    print(f"{outcome.skipped.total():8}  manifests without a schema here: {kinds or 'none'}")
    for name, why in outcome.refused.items():
        print(f"  the chart refuses {name}: {why}")
    for rule in outcome.idle():
        print(f"  looked at nothing: {sentence(rule)}")
    for each in outcome.complaints[:SHOWN]:
        print(f"  {each.combination}: {each.where}: {each.what} (not so: {sentence(each.rule)})")


def _print_mutants(tried: list[Tried]) -> None:
    print()
    for each in tried:
        word = "caught" if each.caught else "MISSED"
        print(f"  {word}  {each.mutant.mistake:54} {sentence(each.mutant.rule)}")
        if each.error or not each.caught:
            print(f"          {each.error or ', '.join(each.others) or 'nobody saw it'}")
    print(f"\n{len(tried):8}  seeded mistakes, {sum(each.caught for each in tried)} caught")


if __name__ == "__main__":
    sys.exit(main())

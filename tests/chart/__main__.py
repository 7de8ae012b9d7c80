"""`python -m tests.chart`: judge every combination of values, try every mistake, fail on a surprise."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from delinkcious.chart import CHART
from tests.chart import schema
from tests.chart.manifests import Chart, Json
from tests.chart.matrix import combinations
from tests.chart.mutants import MUTANTS
from tests.chart.mutants.mutant import Tried, try_all
from tests.chart.proof import EVERY_RULE, Outcome, judge
from tests.chart.verdict import sentence

SHOWN = 40
TOLD_EVERY = 20
# Helm says it of each render.
LINKS = b"found symbolic link in path"


def main() -> int:
    with _without(LINKS):
        every = list(combinations(CHART))
        _print(f"judging {len(every)} combinations of values by {len(EVERY_RULE)} rules")
        outcome = judge(Chart(CHART), _told(every))
    _print_outcome(outcome)
    _print(f"\ntrying {len(MUTANTS)} seeded mistakes, each in a copy of the chart")
    tried = []
    with _without(LINKS), tempfile.TemporaryDirectory(prefix="delinkcious-chart-") as folder:
        for each in try_all(MUTANTS, CHART, Path(folder)):
            tried.append(each)
            _print_mutant(each)
    _print(f"\n{len(tried):8}  seeded mistakes, {sum(each.caught for each in tried)} caught")
    fine = not (outcome.complaints or outcome.refused or outcome.idle()) and all(
        each.caught for each in tried
    )
    print("all passed" if fine else "FAILED")
    return 0 if fine else 1


def _told(every: list[tuple[str, Json]]) -> Iterable[tuple[str, Json]]:
    """The same, and how far one is."""
    for number, each in enumerate(every, 1):
        yield each
        if number % TOLD_EVERY == 0:
            _print(f"  {number} of {len(every)}")


@contextmanager
def _without(words: bytes) -> Iterator[None]:
    """Meanwhile standard error is kept, also what Helm writes below Python; then told but for such lines."""
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            os.close(own)
            kept.seek(0)
            os.write(2, b"".join(line for line in kept if words not in line))


def _print(line: str) -> None:
    """At once, also into a pipe."""
    print(line, flush=True)


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


def _print_mutant(each: Tried) -> None:
    word = "caught" if each.caught else "MISSED"
    _print(f"  {word}  {each.mutant.mistake:54} {sentence(each.mutant.rule)}")
    if each.error or not each.caught:
        _print(f"          {each.error or ', '.join(each.others) or 'nobody saw it'}")


if __name__ == "__main__":
    sys.exit(main())

"""One mistake: an edit of one file of the chart, the values that show it, the rule that has to see it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import helm_python

from tests.chart.manifests import Chart, Json
from tests.chart.proof import judge
from tests.chart.verdict import Rule, sentence


class Stale(Exception):
    """The chart no longer has the text that a mistake replaces."""


@dataclass(frozen=True)
class Mutant:
    """`old` stands in `file` and becomes `new`; `rule` sees it when the chart is rendered with `values`."""

    mistake: str
    file: str
    old: str
    new: str
    rule: Rule
    values: Json = field(default_factory=dict)

    def apply(self, chart: Path) -> None:
        """Raises Stale."""
        file = chart / self.file
        text = file.read_text() if file.is_file() else ""
        if self.old not in text:
            raise Stale(f'{self.mistake}: {self.file} has no "{self.old}"')
        file.write_text(text.replace(self.old, self.new, 1))


@dataclass(frozen=True)
class Tried:
    """`caught`: whether its rule saw it; `others`: who else did; `error`: why it could not be tried."""

    mutant: Mutant
    caught: bool
    what: str = ""
    others: tuple[str, ...] = ()
    error: str = ""


def try_all(mutants: Iterable[Mutant], chart: Path, folder: Path) -> Iterator[Tried]:
    """Each in a copy of its own below `folder`."""
    for number, mutant in enumerate(mutants):
        copy = folder / f"mutant-{number}"
        shutil.copytree(chart, copy)
        try:
            yield _try(mutant, copy)
        finally:
            shutil.rmtree(copy)


def _try(mutant: Mutant, copy: Path) -> Tried:
    combination: list[tuple[str, Any]] = [(mutant.mistake, mutant.values)]
    before = judge(Chart(copy), combination)
    if before.refused or before.complaints:
        what = [*before.refused.values(), *(each.what for each in before.complaints)][0]
        return Tried(mutant, False, error=f"without it there is a complaint already: {what}")
    try:
        mutant.apply(copy)
        after = judge(Chart(copy), combination)
    except (Stale, helm_python.HelmError) as error:
        return Tried(mutant, False, error=str(error))
    if after.refused:
        return Tried(mutant, False, error=f"Helm refuses it: {next(iter(after.refused.values()))}")
    seen = [each for each in after.complaints if each.rule is mutant.rule]
    others = sorted(sentence(rule) for rule in after.caught_by() - {mutant.rule})
    what = f"{seen[0].where}: {seen[0].what}" if seen else ""
    return Tried(mutant, bool(seen), what, tuple(others))

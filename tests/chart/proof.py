"""All rules over all combinations, with a count of what was looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import helm_python

from tests.chart import mesh, schema
from tests.chart.manifests import Chart, Json, Rendered
from tests.chart.rules import RULES
from tests.chart.verdict import Rule

EVERY_RULE: tuple[Rule, ...] = (*RULES, *schema.RULES, *mesh.RULES)


@dataclass(frozen=True)
class Complaint:
    rule: Rule
    where: str
    what: str
    combination: str


@dataclass
class Outcome:
    """What came of it. `looked`: how much each rule has looked at; `skipped`: kinds without a schema."""

    combinations: int = 0
    manifests: int = 0
    looked: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    complaints: list[Complaint] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def assertions(self) -> int:
        return self.looked.total()

    def idle(self) -> list[Rule]:
        """Rules that have looked at nothing: they prove nothing."""
        return [rule for rule in EVERY_RULE if not self.looked[rule.__name__]]

    def caught_by(self) -> set[Rule]:
        return {each.rule for each in self.complaints}


def judge(
    chart: Chart, combinations: Iterable[tuple[str, Json]], rules: Sequence[Rule] = EVERY_RULE
) -> Outcome:
    outcome = Outcome()
    for name, values in combinations:
        outcome.combinations += 1
        try:
            rendered = chart.render(values, name)
        except helm_python.HelmError as error:
            outcome.refused[name] = str(error).splitlines()[0][:200]
            continue
        _judge(rendered, rules, outcome)
    return outcome


def _judge(rendered: Rendered, rules: Sequence[Rule], outcome: Outcome) -> None:
    outcome.manifests += len(rendered.manifests)
    outcome.kinds.update(each["kind"] for each in rendered.manifests)
    outcome.skipped.update(each["kind"] for each in rendered.manifests if schema.is_of_others(each))
    for rule in rules:
        for where, what in rule(rendered):
            outcome.looked[rule.__name__] += 1
            if what:
                outcome.complaints.append(Complaint(rule, where, what, rendered.name))

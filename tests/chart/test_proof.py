"""A sample of the proof in the gate: the chart's rules hold, and they see what is broken on purpose."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from delinkcious.chart import CHART
from tests.chart.__main__ import LINKS, _without, main
from tests.chart.manifests import Chart
from tests.chart.matrix import combinations, found_factors, overlays, pairwise
from tests.chart.mutants import MUTANTS
from tests.chart.mutants.mutant import Mutant, try_all
from tests.chart.proof import EVERY_RULE, judge
from tests.chart.verdict import sentence

# One of each theme that costs little.
SAMPLE = (
    "a token in the environment",
    "a target port that is not there",
    "every verb",
    "a call that no policy of the mesh allows",
)
# Most of the time goes to Kubernetes' schemas, and rows have much in common.
ROWS = 1


@pytest.fixture(scope="module")
def chart() -> Chart:
    return Chart(CHART)


def test_the_rules_hold_for_a_sample_of_the_combinations(chart: Chart) -> None:
    every = dict(combinations(CHART))
    rows = [name for name in every if name.startswith("defaults pairs")][:ROWS]
    outcome = judge(chart, [(name, every[name]) for name in ("defaults", *rows)])
    assert not outcome.refused
    assert not [f"{each.where}: {each.what} ({sentence(each.rule)})" for each in outcome.complaints]


@pytest.mark.parametrize("mistake", SAMPLE)
def test_a_mistake_is_seen_by_the_rule_that_was_made_for_it(mistake: str, tmp_path: Path) -> None:
    [mutant] = [each for each in MUTANTS if each.mistake == mistake]
    [tried] = try_all([mutant], CHART, tmp_path)
    assert tried.caught, tried.error or tried.others


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out


def test_of_what_helm_writes_only_its_lines_about_links_are_kept_off(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(OSError, match="broken"), _without(LINKS):
        os.write(2, b"one\n" + LINKS + b" path=x\nanother\n")
        raise OSError("broken")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "one\nanother\nafter\n"


def test_a_mistake_that_cannot_be_made_any_more_is_an_error(tmp_path: Path) -> None:
    stale = Mutant("gone", "values.yaml", "what nobody wrote", "", EVERY_RULE[0])
    [tried] = try_all([stale], CHART, tmp_path)
    assert not tried.caught
    assert 'values.yaml has no "what nobody wrote"' in tried.error


def test_every_rule_has_a_mistake_that_it_sees() -> None:
    assert {each.rule for each in MUTANTS} == set(EVERY_RULE)
    assert len({each.mistake for each in MUTANTS}) == len(MUTANTS)


def test_every_two_settings_stand_together_in_some_combination(chart: Chart) -> None:
    factors = found_factors(chart.values)
    assert len(factors) > 20
    rows = list(pairwise(factors))
    for first, second in itertools.combinations(factors, 2):
        met = {(str(row[first]), str(row[second])) for row in rows}
        assert len(met) == len(factors[first]) * len(factors[second]), (first, second)


def test_every_file_of_values_is_among_the_combinations() -> None:
    names = {name for name, _ in combinations(CHART)}
    assert {name for name, _ in overlays(CHART) if name} <= names

"""Mistakes that are put into a copy of the chart, each to be caught by the rule that was made for it."""

from __future__ import annotations

from tests.chart.mutants import inside, outside, reach
from tests.chart.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (*inside.MUTANTS, *outside.MUTANTS, *reach.MUTANTS)

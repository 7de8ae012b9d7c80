"""What a rule says of each thing that it looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.chart.manifests import Rendered

# (what was looked at, what is wrong with it; "" for nothing): what is right is counted too.
Verdicts = Iterator[tuple[str, str]]
Rule = Callable[[Rendered], Verdicts]


def sentence(rule: Rule) -> str:
    """A rule's name as one reads it."""
    return rule.__name__.replace("_", " ")

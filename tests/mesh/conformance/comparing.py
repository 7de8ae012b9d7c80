"""What several control planes made of the same cases, counted by kind (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from tests.mesh.conformance.running import Outcome

Verdict = Literal["same", "limit", "unexplained"]
COLUMNS = ("behaviours", "refusals", "same", "limits", "unexplained")


def verdict(outcomes: Sequence[Outcome]) -> Verdict:
    """Of one case on every control plane that ran it.

    A documented limit is what Istio accepts and the mesh refuses, or a behaviour in which the case itself
    says why Istio's own differs; anything else that is not as expected is unexplained.
    """
    written = outcomes[0].case.written
    failed = {outcome.plane for outcome in outcomes if outcome.problems}
    if failed and not (written.limit and "embedded" not in failed):
        return "unexplained"
    return "limit" if written.istio == "accepts" or written.limit else "same"


def counted(outcomes: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """For every kind how many cases are behaviours and refusals, and how they compare."""
    found: dict[str, Counter[str]] = {}
    for group, verdicts, refused in _verdicts(outcomes):
        count = found.setdefault(group, Counter())
        count["refusals" if refused else "behaviours"] += 1
        count[{"same": "same", "limit": "limits", "unexplained": "unexplained"}[verdicts]] += 1
    return dict(sorted(found.items()))


def total(kinds: Mapping[str, Counter[str]]) -> Counter[str]:
    return sum(kinds.values(), Counter())


def by_case(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.case.name, []).append(outcome)
    return found


def told(outcomes: Sequence[Outcome], random_policies: int, differing: Sequence[str] = ()) -> Any:
    """All of it as plain data."""
    return {
        "controlPlanes": sorted({outcome.plane for outcome in outcomes}),
        "kinds": {kind: dict(count) for kind, count in counted(outcomes).items()},
        "randomPolicies": random_policies,
        "differing": list(differing),
        "unexplained": [
            {"case": name, outcome.plane: list(outcome.problems)}
            for name, several in by_case(outcomes).items()
            if verdict(several) == "unexplained"
            for outcome in several
            if outcome.problems
        ],
    }


def _verdicts(outcomes: Iterable[Outcome]) -> Iterable[tuple[str, Verdict, bool]]:
    for several in by_case(outcomes).values():
        case = several[0].case
        yield case.group, verdict(several), case.written.refused is not None

"""Tries random policies on several control planes at once; a disagreement becomes a case to look at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.mesh.conformance.differing import Disagreement, Oracle, as_case, disagreement, on_plane, smallest
from tests.mesh.conformance.plane import PLANES, Embedded
from tests.mesh.conformance.predicting import by_explain
from tests.mesh.conformance.random_policies import policies
from tests.mesh.conformance.running import Suite

FOLDER = Path(".artefacts/conformance")


def oracles(suites: Sequence[Suite]) -> dict[str, Oracle]:
    """Every control plane, and the embedded one's own prediction."""
    predicted = [("explain", by_explain(suite)) for suite in suites if isinstance(suite.plane, Embedded)]
    return dict([*predicted, *((suite.plane.name, on_plane(suite)) for suite in suites)])


def tried(planes: Sequence[str], count: int, first: int, folder: Path = FOLDER) -> Iterator[Path | None]:
    """For each policy None, or the file of the smallest case in which the control planes differ."""
    with ExitStack() as stack:
        suites = []
        for plane in planes:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
            suites.append(stack.enter_context(Suite(PLANES[plane], place)))
        asked = oracles(suites)
        for number, policy in enumerate(policies(count, first)):
            found = disagreement(policy, asked)
            name = f"random-{first}-{number}"
            yield None if found is None else _written(folder / f"{name}.yaml", smallest(found, asked))


def _written(file: Path, found: Disagreement) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_case(found, f"Random policy that differs in {', '.join(sorted(found.fields))}"))
    return file

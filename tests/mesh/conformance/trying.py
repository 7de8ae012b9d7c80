"""Tries random policies on several control planes at once; a disagreement becomes a case to look at."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.mesh.conformance.differing import Disagreement, Oracle, as_case, on_plane
from tests.mesh.conformance.plane import PLANES, Embedded
from tests.mesh.conformance.predicting import by_explain
from tests.mesh.conformance.running import Suite
from tests.mesh.conformance.searching import Search

FOLDER = Path(".artefacts/conformance")


def oracles(suites: Sequence[Suite]) -> dict[str, Oracle]:
    """Every control plane, and the embedded one's own prediction."""
    predicted = [("explain", by_explain(suite)) for suite in suites[:1] if isinstance(suite.plane, Embedded)]
    return dict([*predicted, *((suite.plane.name, on_plane(suite)) for suite in suites)])


@contextmanager
def searching(planes: Sequence[str], advance: Callable[[], None]) -> Iterator[Search]:
    """A search over these control planes, which run as long; `advance` is called for each policy."""
    with ExitStack() as stack:
        suites = []
        for plane in planes:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
            suites.append(stack.enter_context(Suite(PLANES[plane], place)))
        yield Search(oracles(suites), advance)


def written(file: Path, found: Disagreement) -> Path:
    """The disagreement as a case, in this file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_case(found, f"Random policy that differs in {', '.join(sorted(found.fields))}"))
    return file

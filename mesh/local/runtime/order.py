"""Which workload may start when (pure).

1. Jobs with a Helm hook `pre-install` or `pre-upgrade`, by `helm.sh/hook-weight`.
2. Everything without a hook; a workload annotated `delinkcious.io/after: job/NAME, deployment/NAME`
   waits until that Job of its namespace has succeeded or that Deployment is ready.
3. Jobs with a hook `post-install` or `post-upgrade`, by weight, once all of 2 is ready.
4. What is annotated `delinkcious.io/optional` in its Pod template, whatever its hooks say.

A start of the mesh is an installation: hooks run at each, so they must be repeatable, as migrations are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mesh.local.model import Finding
from mesh.local.resources import finding
from mesh.local.runtime.manifest import AFTER
from mesh.local.runtime.workload import Workload


def may_start(workload: Workload, everything: Sequence[Workload], done: Callable[[Workload], bool]) -> bool:
    """Whether what `workload` waits for is done: a Job succeeded, a Deployment is ready."""
    return all(done(other) for other in everything if other is not workload and _before(other, workload))


def _before(first: Workload, second: Workload) -> bool:
    if _stage(first) != _stage(second):
        return _stage(first) < _stage(second)
    if second.hooks:
        return first.weight < second.weight
    return first.resource.namespace == second.resource.namespace and first.reference in second.after


def _stage(workload: Workload) -> int:
    if workload.optional:
        return 3
    if "pre" in workload.hooks:
        return 0
    return 2 if "post" in workload.hooks else 1


def findings(everything: Sequence[Workload]) -> Iterator[Finding]:
    """References to nothing and circles, which would wait for ever."""
    for workload in everything:
        known = {other.reference: other for other in everything if _together(other, workload)}
        for reference in workload.after:
            path = ("metadata", "annotations", AFTER)
            if reference not in known:
                yield finding(workload.resource, path, f"waits for {reference}, which does not exist")
            elif workload.reference in _behind(reference, known):
                yield finding(workload.resource, path, f"waits for {reference}, which waits for it")


def _together(first: Workload, second: Workload) -> bool:
    return first.resource.namespace == second.resource.namespace


def _behind(reference: str, known: dict[str, Workload]) -> set[str]:
    seen: set[str] = set()
    todo = [reference]
    while todo:
        current = todo.pop()
        if current in known and current not in seen:
            seen.add(current)
            todo += known[current].after
    return seen

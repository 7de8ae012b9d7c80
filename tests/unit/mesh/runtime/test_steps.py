"""Files change in an order in which nothing refers to what is not there."""

from __future__ import annotations

from mesh.local import files
from mesh.local.model import Snapshot
from mesh.local.runtime.steps import Rendered, steps


def _rendered(clusters: str, route_to: str = "", listeners: str = "", routes: str = "r") -> Rendered:
    return Rendered.of(
        Snapshot(
            clusters={name: {"name": name} for name in clusters},
            endpoints={},
            listeners={name: {"name": name} for name in listeners},
            routes={name: {"name": name, "to": route_to} for name in routes},
        )
    )


def _written(old: Rendered, new: Rendered) -> list[list[str]]:
    return [sorted(step.write) for step in steps(old, new)]


def test_nothing_is_written_when_nothing_differs() -> None:
    assert steps(_rendered("ab", "a"), _rendered("ab", "a")) == []


def test_a_route_alone_is_one_step_that_is_waited_for() -> None:
    new = _rendered("ab", "b")
    [step] = steps(_rendered("ab", "a"), new)
    name = files.routes("r")
    assert step.write == {name: new.contents[name]}
    assert step.versions == {files.version(new.contents[name])}


def test_a_new_cluster_comes_before_the_route_and_the_old_one_goes_after_it() -> None:
    old, new = _rendered("a", "a"), _rendered("b", "b")
    assert _written(old, new) == [[files.CLUSTERS], [files.routes("r")], [files.CLUSTERS]]
    first = steps(old, new)[0].write[files.CLUSTERS]
    assert first == files.response("Cluster", {"a": {"name": "a"}, "b": {"name": "b"}})


def test_routes_of_a_new_listener_are_written_before_it_and_waited_for_with_it() -> None:
    old, new = _rendered("a"), _rendered("a", listeners="l", routes="rs")
    assert _written(old, new) == [[files.routes("s")], [files.LISTENERS]]
    before, listener = steps(old, new)
    assert before.versions == frozenset()
    assert files.version(new.contents[files.routes("s")]) in listener.versions


def test_files_that_nobody_needs_go_last() -> None:
    old, new = _rendered("ab", "a", routes="rs"), _rendered("a", "a", routes="r")
    last = steps(old, new)[-1]
    assert last.remove == (files.routes("s"),)
    assert files.CLUSTERS in last.write

"""What is said of a mistake in a rollout's file: where it is, and what could stand there instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh.canary.runs.rollout import InvalidRollout, parse, read

MANUAL = {"type": "manual", "name": "go", "at": "start"}
WINDOW = {"type": "window", "name": "w", "at": "start", "from": "08:00", "until": "18:00"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"spec": {"gates": [{**MANUAL, "at": "noon"}]}}, "spec.gates[0].at"),
        ({"spec": {"gates": [{**MANUAL, "at": "noon"}]}}, "it may be end, promotion, start, step"),
        ({"spec": {"gates": [{**MANUAL, "type": "oracle"}]}}, "it may be manual, webhook, query, window"),
        (
            {"spec": {"gates": [{**WINDOW, "days": ["Monday"]}]}},
            "it may be Fri, Mon, Sat, Sun, Thu, Tue, Wed",
        ),
        ({"spec": {"inconclusive": "promote"}}, "it may be hold, promote-if-nonblocking, retreat"),
        ({"spec": {"analysis": {"source": "statsd"}}}, "it may be envoy, prometheus"),
        ({"kind": "Canary"}, "kind: Invalid enum value 'Canary'; it may be Rollout"),
        ({"steps": [5]}, "unknown field `steps`; a Rollout has apiVersion, kind, metadata and spec"),
        ({"metadata": None}, "metadata: Expected `object`"),
    ],
)
def test_a_wrong_word_is_told_with_the_right_ones(change: dict[str, Any], told: str) -> None:
    spec = {"service": "links", **change.get("spec", {})}
    with pytest.raises(InvalidRollout) as caught:
        parse({"metadata": {"name": "links"}, **change, "spec": spec})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "document", [{"spec": {"service": "links"}}, {"metadata": {"name": "a"}}, None, "text"]
)
def test_what_has_not_the_shape_is_told_the_shape(document: Any) -> None:
    with pytest.raises(InvalidRollout, match="a Rollout has apiVersion, kind, metadata and spec"):
        parse(document)


def test_a_mistake_of_syntax_keeps_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "links.yaml"
    file.write_text("spec:\n  service: links\n steps: [1]\n")
    with pytest.raises(InvalidRollout, match=r"(?s)no YAML: .*\n.*line 3"):
        read(file)

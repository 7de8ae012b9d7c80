"""Whatever is written, the answer is resources or findings, never another exception."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.local.check import validate
from mesh.local.model import InvalidConfig
from mesh.local.resources import parse
from tests.unit.mesh.cases import read

HERE = Path(__file__).parent
EXAMPLES = [
    document
    for case in [*read(HERE / "accepted"), *read(HERE / "refused")]
    for document in yaml.safe_load_all(case.text)
]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FRAGMENTS = st.sampled_from(
    [
        "apiVersion: v1\n",
        "kind: Service\n",
        "metadata:\n",
        "  name: a\n",
        "spec:\n",
        "- ",
        "? ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&a ",
        "*a ",
        "!!str ",
        "<<: ",
        "---\n",
        "'",
        '"',
        "#",
        "\\",
        "\t",
        "\n",
        "  ",
        "~",
        "y",
        "0x",
        "1e999",
        ".nan",
        "%YAML 1.1\n",
        "...\n",
        ">-\n",
        "@",
        "`",
        "\u2028",
        "\x85",
        "�",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["*", "a", "/a", "5s", "0s", "(", "v1", "reviews", "ALLOW", "{*}", "10.0.0.0/8", "%", "HTTP"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def judged(text: str) -> None:
    try:
        resources = parse(text, "any.yaml")
    except InvalidConfig as error:
        assert error.findings
        return
    config, findings = validate(resources)
    assert len(list(config)) <= len(resources)
    for found in findings:
        assert found.message
        assert found.line >= 1


@QUICK
@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_any_yaml_like_text(text: str) -> None:
    judged(text)


@QUICK
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    judged(text)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path in a document."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A document of the cases with a value replaced, taken out, or put elsewhere."""
    document = copy.deepcopy(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(document)))
        if not path:
            continue
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        if draw(st.booleans()):
            parent[path[-1]] = draw(VALUES)
        else:
            del parent[path[-1]]
    return json.dumps(document, default=str)


@QUICK
@given(st.lists(mutated(), min_size=1, max_size=3))
def test_mutated_resources(texts: list[str]) -> None:
    judged("\n---\n".join(texts))

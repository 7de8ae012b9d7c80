"""The schema is complete and strict, and the README says what values.yaml says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from delinkcious import chart, chart_reference

Node = dict[str, Any]
# What is another program's own: MeshConfig, an output of Fluent Bit, Helm's `global`.
FOREIGN = {"global", "mesh.config", "mesh.networks", "logs.collector.outputs.*"}


@pytest.fixture(scope="module")
def schema() -> Node:
    found: Node = json.loads((chart.CHART / "values.schema.json").read_text())
    return found


@pytest.fixture(scope="module")
def values() -> Node:
    found: Node = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    return found


def resolved(schema: Node, node: Node) -> Node:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def nodes(schema: Node, node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every part of the schema by the path of the values it is for; `*` for any key or item."""
    node = resolved(schema, node)
    yield path, node
    parts = dict(node.get("properties", {}))
    more = node.get("additionalProperties")
    parts |= {"*": more} if isinstance(more, dict) else {}
    parts |= {"*": node["items"]} if "items" in node else {}
    for name, part in parts.items():
        yield from nodes(schema, part, f"{path}.{name}".lstrip("."))


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from leaves(part, (*path, key))
    else:
        yield path


def test_no_object_takes_what_it_does_not_know(schema: Node) -> None:
    for path, node in nodes(schema, schema):
        if node.get("type") == "object" and path not in FOREIGN:
            assert node.get("additionalProperties") is not None, path
            assert node["additionalProperties"] is not True, path


def test_every_part_says_what_it_takes(schema: Node) -> None:
    for path, node in nodes(schema, schema):
        assert {"type", "enum", "const"} & node.keys(), path
        kinds = node.get("type")
        if kinds == "integer":
            assert "minimum" in node, path


def test_every_value_that_there_is_stands_in_the_schema_by_name(schema: Node, values: Node) -> None:
    known = {path for path, _ in nodes(schema, schema)}
    for leaf in leaves(values):
        if any(".".join(leaf).startswith(foreign.rstrip(".*")) for foreign in FOREIGN):
            continue
        path = ""
        for part in leaf:
            longer = f"{path}.{part}".lstrip(".")
            path = longer if longer in known else f"{path}.*"
            assert path in known, leaf


@pytest.mark.parametrize("name", ["dev", "ha", "local"])
def test_each_file_of_values_is_one_of_the_schema(name: str) -> None:
    text = chart.render(yaml.safe_load((chart.CHART / f"values-{name}.yaml").read_text()))
    assert list(yaml.safe_load_all(text))


def test_the_readme_is_current() -> None:
    readme = chart_reference.README.read_text()
    assert readme == chart_reference.with_table(readme, chart_reference.VALUES.read_text()), (
        "run `make render`"
    )


def test_the_table_has_each_value_once_with_its_comment() -> None:
    text = """# The file's own heading.

image:
  # -- empty means the chart's
  # appVersion
  tag: ""
# What all have.
services:
  users:
    # Who calls it.
    callers: { http: [a|b] }
    resources:
      requests: { cpu: 1 }
  links:
    callers: {}
    publicPorts: [80]
"""
    found = {value.path: (value.default, value.description) for value in chart_reference.values(text)}
    assert found == {
        "image.tag": ('""', "empty means the chart's appVersion"),
        "services": ("", "What all have."),
        "services.NAME.callers": ('{"http": ["a|b"]}', "Who calls it."),
        "services.NAME.resources": ('{"requests": {"cpu": 1}}', ""),
        "services.NAME.publicPorts": ("[80]", ""),
    }
    assert '| `{"http": ["a\\|b"]}` |' in chart_reference.table(text)


def test_values_of_the_first_release_are_still_understood() -> None:
    """As somebody wrote them for 0.1.0."""
    values = {
        "config": {"ISSUER": "https://users.example.org"},
        "networkPolicies": {"ownPorts": [{"port": 53, "protocol": "UDP"}, {"port": 6432, "protocol": "TCP"}]},
        "services": {
            "users": {"secrets": {"users-database": None, "mine": {"dsn": "DATABASE_URL_FILE"}}},
            "links": {"versions": {"v2": {"replicas": 1, "tag": "0.2.0"}}},
        },
        "gateway": {"service": {"type": "NodePort"}},
        "drainSeconds": 10,
    }
    documents = {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all(chart.render(values)) if d}
    pod = documents["Job", "users-migrate-pre"]["spec"]["template"]["spec"]
    assert [volume["secret"]["secretName"] for volume in pod["volumes"]] == ["mine"]

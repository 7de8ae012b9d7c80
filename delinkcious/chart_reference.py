"""The table of the chart's values in its README.md: made of the comments in values.yaml.

What stands above a key is what it says; services have the same keys, and are one there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from delinkcious.chart import CHART

README = CHART / "README.md"
VALUES = CHART / "values.yaml"
BEGIN, END = "<!-- values: made by `make render` -->\n", "<!-- end of values -->\n"
SERVICES, ANY = "services", "NAME"
# A default that is longer is read in values.yaml.
MAX_DEFAULT = 80
RESOURCES = "resources"  # requests and limits are one thing to read


@dataclass(frozen=True)
class Value:
    """One row: a key's path, its default as JSON ("" for what only has parts), and its comment."""

    path: str
    default: str
    description: str


def values(text: str) -> list[Value]:
    """Every value of a values.yaml, in its order, the services' keys once."""
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101 - the chart's own file
    found: dict[str, Value] = {}
    for value in _parts(root, (), text.splitlines()):
        known = found.get(value.path)
        if known is None or (value.description and not known.description):
            found[value.path] = value
    return list(found.values())


def table(text: str) -> str:
    rows = ["| value | default | what it is |", "|---|---|---|"]
    for value in values(text):
        default = f"`{value.default}`" if value.default else ""
        rows.append(f"| `{value.path}` | {_cell(default)} | {_cell(value.description)} |")
    return "\n".join(rows) + "\n"


def with_table(readme: str, text: str) -> str:
    """The README with the table of these values in its place."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table(text)}\n{END}{tail}"


def write() -> None:
    README.write_text(with_table(README.read_text(), VALUES.read_text()))


def _parts(node: yaml.MappingNode, above: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path = (*above, key.value)
        if above == (SERVICES,):
            path = (SERVICES, ANY)
        description = _comment(lines, key.start_mark.line)
        folded = not isinstance(value, yaml.MappingNode) or not value.value or value.flow_style
        if not folded and key.value != RESOURCES and len(path) < 5:
            if description and path != (SERVICES, ANY):
                yield Value(".".join(path), "", description)
            yield from _parts(value, path, lines)
        else:
            yield Value(".".join(path), _default(value), description)


def _comment(lines: list[str], line: int) -> str:
    """The comment right above a line, without its marks."""
    said: list[str] = []
    for text in reversed(lines[:line]):
        stripped = text.strip()
        if not stripped.startswith("#"):
            break
        said.insert(0, stripped.lstrip("#").strip().removeprefix("-- "))
    # The file's own heading is nobody's.
    return " ".join(said) if line - len(said) > 0 else ""


def _default(node: yaml.Node) -> str:
    plain = yaml.safe_load(yaml.serialize(node))
    text = json.dumps(plain)
    return text if len(text) <= MAX_DEFAULT else "..."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

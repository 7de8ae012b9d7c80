"""How `delinkcious mesh` prints: tables, JSON, YAML, explanations, places in files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import click
import yaml

from delinkcious.commands.mesh_columns import COLUMNS, KINDS, STATE_WIDTH, WIDE, Row, plural, why
from delinkcious.commands.mesh_paths import near, nearer
from mesh.local.runtime.errors import NotFound
from mesh.local.runtime.reference import KINDS as KINDS_OF_PODS

__all__ = ["KINDS", "explanation", "near", "nearer", "picked", "plural", "show"]


def picked(kind: str, rows: Sequence[Row], names: Sequence[str], namespace: str | None) -> list[Row]:
    """The rows with these names, `NAMESPACE/NAME` too; all of them without. Raises NotFound.

    Pods are also named by their Deployment, what a proxy has by its pod or that pod's Deployment.
    """
    if not names:
        return list(rows)
    found: list[Row] = []
    for name in names:
        space, _, short = name.rpartition("/")
        of_workload = space.lower() in KINDS_OF_PODS
        fits = [
            row
            for row in rows
            if short in (row.get("pod", row.get("name")), row.get("workload"))
            and (of_workload or space in ("", row["namespace"]))
        ]
        if not fits:
            where = f" in namespace {namespace}" if namespace else ""
            raise NotFound(f'{kind} "{name}" not found{where}')
        found += fits
    return found


def show(what: str, rows: list[Row], output: str, namespace: str | None = None) -> None:
    """Print rows of one kind as `table`, `wide`, `json` or `yaml`."""
    if not rows and output in ("table", "wide"):
        click.echo(f"no {plural(what)}{f' in namespace {namespace}' if namespace else ''}", err=True)
    elif output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump(rows, sort_keys=False), nl=False)
    else:
        kind = plural(what)
        columns = {**COLUMNS[kind], **(WIDE.get(kind, {}) if output == "wide" else {})}
        cells = [list(columns), *([str(cell(row)) for cell in columns.values()] for row in rows)]
        widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
        for line in cells:
            text = "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo(text.rstrip())
        for row in rows if kind == "pods" else ():
            if len(reason := why(row)) > STATE_WIDTH:
                click.echo(f"\n{row['name']}: {reason}")


def explanation(answer: Row, output: str) -> None:
    """Print what becomes of a request, its rule and who would refuse it."""
    if output == "json":
        click.echo(json.dumps(answer, indent=2))
        return
    for line in _lines(answer, ""):
        click.echo(line)


def _lines(value: Row, indent: str) -> Iterator[str]:
    """Names and values, nested by indentation; a place in a file is one line, absent values are left out."""
    for name, part in value.items():
        if part in (None, "", [], {}):
            continue
        if isinstance(part, dict) and "line" in part:
            yield f"{indent}{name}: {_place(part)}"
        elif isinstance(part, dict):
            yield f"{indent}{name}:"
            yield from _lines(part, indent + "  ")
        elif isinstance(part, list) and isinstance(part[0], dict):
            yield f"{indent}{name}:"
            for entry in part:
                if "line" in entry:
                    yield f"{indent}  - {_place(entry)}"
                else:
                    yield f"{indent}  -"
                    yield from _lines(entry, indent + "    ")
        elif isinstance(part, list):
            between = "; " if any(", " in str(entry) for entry in part) else ", "
            yield f"{indent}{name}: {between.join(map(str, part))}"
        else:
            yield f"{indent}{name}: {'yes' if part is True else 'no' if part is False else part}"


def _place(place: Row) -> str:
    return f"{place['resource']} {place['field']} ({near(place['file'])}:{place['line']})"

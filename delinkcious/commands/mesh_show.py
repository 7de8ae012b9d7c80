"""How `delinkcious mesh` prints: tables, JSON, YAML, explanations, places in files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click
import yaml

from mesh.local.runtime.errors import NotFound

_PLURALS = {
    "pod": "pods",
    "service": "services",
    "route": "routes",
    "cluster": "clusters",
    "policy": "policies",
    "override": "overrides",
    "workload": "workloads",
    "job": "jobs",
    "cronjob": "cronjobs",
    "horizontalpodautoscalers": "hpa",
}
# A file that begins a finding, or that something was applied from.
_PLACED = re.compile(
    r"^/[^:\n]+(?=(?::\d+)?: (?:error|warning): )|(?<= from )/[^:\n]+(?=:\d+\))",
    re.MULTILINE,
)
KINDS = list(dict.fromkeys([*_PLURALS.values(), *_PLURALS]))

Row = Mapping[str, Any]
Columns = dict[str, Callable[[Row], object]]


def nearer(text: str) -> str:
    """A text with its files as a person in the current folder would name them."""
    return _PLACED.sub(lambda match: near(match[0]), text)


def near(path: str) -> str:
    """A file's path from the current folder, where that is shorter."""
    return min(os.path.relpath(path), path, key=len) if path.startswith("/") else path


def plural(what: str) -> str:
    return _PLURALS.get(what, what)


def _pod_state(row: Row) -> str:
    reasons = [part["reason"] for part in row["containers"] if part["reason"] and not part["ready"]]
    return reasons[0] if reasons else str(row["phase"])


def _ready(row: Row) -> str:
    return f"{sum(part['ready'] for part in row['containers'])}/{len(row['containers'])}"


_COLUMNS: dict[str, Columns] = {
    "pods": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "READY": _ready,
        "STATUS": _pod_state,
        "RESTARTS": lambda row: row["restarts"],
        "IP": lambda row: row["ip"],
    },
    "services": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "PORTS": lambda row: ",".join(
            f"{number}/{port['protocol']}" for number, port in row["ports"].items()
        ),
        "ENDPOINTS": lambda row: ",".join(end["ip"] for end in row["endpoints"] if end["ready"]) or "none",
    },
    "routes": {
        "POD": lambda row: f"{row['namespace']}/{row['pod']}",
        "HOST": lambda row: row["virtualHost"],
        "NAME": lambda row: row["name"] or "-",
        "MATCH": lambda row: _match(row["match"]),
        "TO": lambda row: _destination(row["to"]),
    },
    "clusters": {
        "POD": lambda row: f"{row['namespace']}/{row['pod']}",
        "NAME": lambda row: row["name"],
        "MTLS": lambda row: "yes" if row["mtls"] else "no",
        "ENDPOINTS": lambda row: ",".join(row["endpoints"]) or "none",
    },
    "policies": {
        "NAMESPACE": lambda row: row["namespace"],
        "KIND": lambda row: row["kind"],
        "NAME": lambda row: row["name"],
        "ACTION": lambda row: row["action"] or "-",
        "PODS": lambda row: len(row["pods"]),
        "SOURCE": lambda row: near(row["source"]),
    },
    "overrides": {
        "NAMESPACE": lambda row: row["namespace"] or "-",
        "KIND": lambda row: row["kind"],
        "NAME": lambda row: row["name"],
        "HELD": lambda row: row["what"],
        "SOURCE": lambda row: near(row["source"] or "-"),
    },
}
_COLUMNS |= {
    "workloads": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: f"{row['kind'].lower()}/{row['name']}",
        "READY": lambda row: f"{row['ready']}/{row['replicas']}",
        "UP-TO-DATE": lambda row: row["upToDate"],
    },
    "jobs": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "STATUS": lambda row: row["state"],
        "COMPLETIONS": lambda row: f"{row['succeeded']}/{row['completions']}",
        "FAILED": lambda row: row["failed"],
    },
    "cronjobs": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "SCHEDULE": lambda row: row["schedule"],
        "TIMEZONE": lambda row: row["timeZone"],
        "SUSPEND": lambda row: row["suspend"],
        "ACTIVE": lambda row: len(row["active"]),
        "LAST": lambda row: row["last"] or "-",
    },
    "hpa": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "REFERENCE": lambda row: row["reference"],
        "TARGETS": lambda row: ", ".join(row["metrics"]) or "-",
        "MINPODS": lambda row: row["minReplicas"],
        "MAXPODS": lambda row: row["maxReplicas"],
        "REPLICAS": lambda row: row["replicas"],
        "MESSAGE": lambda row: row["message"] or "-",
    },
}
_WIDE: dict[str, Columns] = {
    "pods": {
        "EGRESS": lambda row: row["egress"] or "-",
        "ADMIN": lambda row: row["admin"] or "-",
        "ACCOUNT": lambda row: row["serviceAccount"],
        "CONFIG": lambda row: row["configVersion"] or "-",
    },
    "services": {
        "PUBLIC-IP": lambda row: row["publicIp"] or "-",
        "TARGETS": lambda row: ",".join(
            f"{number}->{port['targetPort']}" for number, port in row["ports"].items()
        ),
        "PODS": lambda row: ",".join(end["pod"] for end in row["endpoints"]) or "none",
        "HOST": lambda row: row["hostname"],
        "KIND": lambda row: row["kind"],
        "RESOLUTION": lambda row: row["resolution"],
    },
    "routes": {"CONFIG": lambda row: row["config"] or "-"},
}


def _destination(to: Any) -> str:
    if isinstance(to, list):
        return ", ".join(f"{entry['cluster']} {entry['weight']}" for entry in to)
    return json.dumps(to)


def _match(match: Row) -> str:
    """Envoy's match; the one that every proxy has for tunnels in a word."""
    return "CONNECT (any host:port)" if match == {"connect_matcher": {}} else json.dumps(match)


def picked(kind: str, rows: Sequence[Row], names: Sequence[str], namespace: str | None) -> list[Row]:
    """The rows with these names, `NAMESPACE/NAME` too; all of them without. Raises NotFound.

    Pods are also named by their Deployment, routes and clusters by their pod.
    """
    if not names:
        return list(rows)
    found: list[Row] = []
    for name in names:
        space, _, short = name.rpartition("/")
        fits = [
            row
            for row in rows
            if short in (row.get("pod", row["name"]), row.get("workload")) and space in ("", row["namespace"])
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
        columns = {**_COLUMNS[kind], **(_WIDE.get(kind, {}) if output == "wide" else {})}
        cells = [list(columns), *([str(cell(row)) for cell in columns.values()] for row in rows)]
        widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
        for line in cells:
            text = "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo(text.rstrip())


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
            yield f"{indent}{name}: {', '.join(str(entry) for entry in part)}"
        else:
            yield f"{indent}{name}: {'yes' if part is True else 'no' if part is False else part}"


def _place(place: Row) -> str:
    return f"{place['resource']} {place['field']} ({near(place['file'])}:{place['line']})"

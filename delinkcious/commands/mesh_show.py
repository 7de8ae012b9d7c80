"""How `delinkcious mesh` prints: tables, JSON, YAML, logs, explanations."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from mesh.local.runtime.errors import NotFound
from mesh.local.runtime.manifest import PROXY_CONTAINER
from mesh.local.runtime.reference import chosen
from mesh.local.runtime.state import State

FOLLOW_S = 0.1
_PLURALS = {
    "pod": "pods",
    "service": "services",
    "route": "routes",
    "cluster": "clusters",
    "policy": "policies",
}
KINDS = [*_PLURALS.values(), *_PLURALS]

Row = Mapping[str, Any]
Columns = dict[str, Callable[[Row], object]]


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
        "MATCH": lambda row: json.dumps(row["match"]),
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
        "SOURCE": lambda row: row["source"],
    },
}
_WIDE: dict[str, Columns] = {
    "pods": {
        "EGRESS": lambda row: row["egress"] or "-",
        "ADMIN": lambda row: row["admin"] or "-",
        "ACCOUNT": lambda row: row["serviceAccount"],
        "CONFIG": lambda row: row["configVersion"] or "-",
    },
    "routes": {"CONFIG": lambda row: row["config"] or "-"},
}


def _destination(to: Any) -> str:
    if isinstance(to, list):
        return ", ".join(f"{entry['cluster']} {entry['weight']}" for entry in to)
    return json.dumps(to)


def show(what: str, rows: list[Row], output: str) -> None:
    """Print rows of one kind as `table`, `wide`, `json` or `yaml`."""
    if output == "json":
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
    return f"{place['resource']} {place['field']} ({place['file']}:{place['line']})"


def log_file(state: State, pod: str, container: str | None, namespace: str | None, *, previous: bool) -> Path:
    """The log that a pod's name means. Raises NotFound, naming what there is."""
    # Of a Deployment's pods the one that wrote last.
    written = sorted(state.pods.glob("*/*/logs"), key=lambda logs: logs.stat().st_mtime, reverse=True)
    found = chosen(pod, namespace, [(logs.parent.parent.name, logs.parent.name) for logs in written])
    folder = state.pods.joinpath(*found, "logs")
    logs = sorted(file.name.removesuffix(".log") for file in folder.glob("*.log"))
    names = [name for name in logs if "." not in name]
    own = [name for name in names if name != PROXY_CONTAINER]
    picked = container or (own or names or [PROXY_CONTAINER])[0]
    file = folder / (f"{picked}.previous.log" if previous else f"{picked}.log")
    if not file.is_file():
        what = "has not been restarted" if previous and picked in names else "has no log"
        raise NotFound(f"container {picked} of {pod} {what}; containers: {', '.join(names) or 'none'}")
    return file


def print_log(file: Path, *, follow: bool) -> None:
    """Copy a log to standard output; with `follow` also what comes, over restarts of the process."""
    stream = file.open("rb")
    try:
        while True:
            shutil.copyfileobj(stream, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            if not follow:
                return
            time.sleep(FOLLOW_S)
            if file.exists() and file.stat().st_ino != _inode(stream.fileno()):
                shutil.copyfileobj(stream, sys.stdout.buffer)
                stream.close()
                stream = file.open("rb")
    except (KeyboardInterrupt, BrokenPipeError):
        return
    finally:
        stream.close()


def _inode(descriptor: int) -> int:
    return Path(f"/proc/self/fd/{descriptor}").stat().st_ino

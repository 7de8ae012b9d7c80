"""`delinkcious mesh diff`: what an edit would change for whom, before it is applied."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from delinkcious.asking import output_option
from delinkcious.commands.mesh_options import documents, files_option, meant, state_option
from delinkcious.commands.mesh_paths import near, nearer
from mesh.local.diff.fields import Change
from mesh.local.model import InvalidConfig
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError

# As `kubectl diff` and diff(1) say it.
SAME, DIFFERENT, FAILED = 0, 1, 2
_MARKS = {"added": "+", "removed": "-", "changed": "~"}
_CLUSTER = re.compile(r"outbound\|(\d+)\|([^|\s]*)\|([^\s,]+?)(?:\.svc\.cluster\.local)?(?=[\s,:]|$)")
MAX_NAMED = 3  # pods of one group that are named

Json = dict[str, Any]


@click.command()
@files_option
@output_option
@state_option
def diff(filenames: tuple[str, ...], output: str, state: Path | None) -> None:
    """Say what applying these files would change: objects, and what which sidecars would do.

    Exit code 0 when nothing would, 1 when something would, 2 when the files are wrong, no mesh runs, or the
    answer cannot be written.
    """
    try:
        told = Client(meant(state)).post("/diff", documents(filenames))
    except (MeshError, InvalidConfig) as error:
        click.echo(nearer(str(error)), err=True)
        sys.exit(FAILED)
    if output == "json":
        click.echo(json.dumps(told, indent=2))
    else:
        for warning in told["warnings"]:
            click.echo(nearer(warning), err=True)
        for line in _lines(told):
            click.echo(line)
    sys.exit(DIFFERENT if told["objects"] else SAME)


def _destination(cluster: re.Match[str]) -> str:
    """Envoy's name of a cluster as people say it: `v1 of links.shop:80`."""
    port, subset, host = cluster.groups()
    return f"{subset} of {host}:{port}" if subset else f"{host}:{port}"


def _lines(told: Json) -> Iterator[str]:
    if not told["objects"]:
        yield "Nothing would change."
        return
    for change in told["objects"]:
        name = f"{change['namespace']}/{change['name']}" if change["namespace"] else change["name"]
        yield f"{change['kind']} {name} would be {change['verb']} ({near(change['file'])}:{change['line']})"
        for field in change["fields"]:
            yield f"  {_MARKS[field['verb']]} {Change(**field)}"
        if change["replaces_pods"]:
            yield "  its pods would be replaced one by one"
    groups: dict[tuple[str, ...], list[str]] = {}
    for proxy in told["proxies"]:
        groups.setdefault(tuple(proxy["words"]), []).append(f"{proxy['namespace']}/{proxy['pod']}")
    for words, pods in groups.items():
        more = f" and {len(pods) - MAX_NAMED} more" if len(pods) > MAX_NAMED else ""
        yield f"\n{', '.join(pods[:MAX_NAMED])}{more}:"
        yield from (f"  {_CLUSTER.sub(_destination, sentence)}" for sentence in words)
    if not groups:
        yield "\nNo running proxy would do anything else."

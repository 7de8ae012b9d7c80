"""`delinkcious mesh explain`: what becomes of a request, and with `--live` what really became of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from delinkcious.asking import output_option
from delinkcious.commands import mesh_show
from delinkcious.commands.mesh_options import meant, namespace_option, state_option
from mesh.local.live import comparing
from mesh.local.live.happening import Logs, happen
from mesh.local.runtime.client import Client
from mesh.local.runtime.reference import chosen

Json = dict[str, Any]


@click.command()
@click.argument("pod", metavar="POD|deployment/NAME")
@click.argument("method")
@click.argument("url")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header of it.")
@click.option(
    "--live", is_flag=True, help="Send it too, and show what happened; exit code 1 when it differs."
)
@click.option(
    "--timeout", "within_s", type=click.FloatRange(min=0.1), default=30.0, show_default=True,
    help="Seconds that --live waits for the answer.",
)  # fmt: skip
@output_option
@namespace_option
@state_option
def explain(
    pod: str,
    method: str,
    url: str,
    headers: tuple[str, ...],
    live: bool,
    within_s: float,
    output: str,
    namespace: str | None,
    state: Path | None,
) -> None:
    """Say what becomes of a request from POD: the route, the destination, the policy that decides.

    URL is as the process would write it: of https://... a sidecar sees the connection alone. METHOD CONNECT
    with HOST:PORT is a TCP connection.
    """
    split = [header.partition(":") for header in headers]
    pairs = [(name.strip(), value.strip()) for name, _, value in split]
    where = meant(state)
    client = Client(where)
    question = {"pod": pod, "method": method.upper(), "url": url, "headers": pairs, "namespace": namespace}
    predicted = client.post("/explain", question)
    if not live:
        mesh_show.explanation(predicted, output)
        return
    rows = client.get("/get/pods")
    sender = _meant(rows, pod, namespace)
    logs = Logs(where, rows, client.get("/get/listeners"))
    happened = happen(logs, rows, sender, method.upper(), url, pairs, within_s)
    found = comparing.differences(predicted, happened)
    told = {"predicted": predicted, "happened": comparing.told(happened), "differences": found}
    if output == "json":
        click.echo(json.dumps(told, indent=2))
    else:
        mesh_show.explanation({"predicted": predicted, "happened": told["happened"]}, output)
        click.echo("\n".join(f"DIFFERS: {sentence}" for sentence in found) or comparing.agreement(happened))
    sys.exit(1 if found else 0)


def _meant(rows: list[Json], reference: str, namespace: str | None) -> Json:
    """The pod that the mesh itself takes for this name: ready ones come first."""
    pods = {(row["namespace"], row["name"]): row for row in rows}
    order = sorted(pods, key=lambda key: (not pods[key]["ready"], key))
    return pods[chosen(reference, namespace, order)]

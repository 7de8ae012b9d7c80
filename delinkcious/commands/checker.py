"""`delinkcious checker`: what an operator asks of the link checker."""

from __future__ import annotations

from pathlib import Path

import click

from delinkcious.pods import run_in


@click.group()
def checker() -> None:
    """Look after the link checker."""


@checker.command()
@click.option(
    "--state", type=click.Path(path_type=Path), help="The local mesh's folder [default: .delinkcious]"
)
def backfill(state: Path | None) -> None:
    """Tell the link checker of all links again, those that are older than its events too.

    It runs in a pod of the links service, as `kubectl exec deploy/links-v1 -- python -m services.links
    backfill` does on Kubernetes. The service does the same by itself when the checker was never told.
    """
    run_in("links-v1", "links", ["-m", "services.links", "backfill"], state)

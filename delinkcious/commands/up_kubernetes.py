"""What `delinkcious up --kubernetes` does beside `up`, and `delinkcious kubeconfig`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
from rich.console import Console

from delinkcious import local
from mesh.local.runtime.state import State

SETTLED_WITHIN_S = 60.0
NEXT = (
    ("export KUBECONFIG=$(delinkcious kubeconfig)", "let kubectl and helm mean it"),
    ("kubectl get pods -A", "what runs; docs/local-kubernetes.md has the rest"),
    ("helm test delinkcious -n delinkcious --logs", "sign up, save a link, read it back"),
)


def module() -> ModuleType:
    """What needs more than the application does, where it is there. Raises LookupError."""
    try:
        return import_module("delinkcious.kubernetes")
    except ModuleNotFoundError as error:
        raise LookupError(f"{error.name} is missing: make up-kubernetes brings it") from error


def install(checkout: Path, folder: State, *, chart: bool) -> None:
    """The chart, where that is wanted and not there; then wait for the pods. Raises LookupError."""
    with Console(stderr=True).status("Installing ...") as status:
        kubernetes = module()
        if chart:
            kubernetes.install(checkout, folder.folder, status.update)
        status.update("waiting for the pods ...")
        kubernetes.settle(folder, SETTLED_WITHIN_S)


@click.command()
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Where keys, data and logs lie [default: .delinkcious in the checkout]",
)
def kubeconfig(state: Path | None) -> None:
    """Print the file for kubectl and helm: export KUBECONFIG=$(delinkcious kubeconfig)."""
    try:
        click.echo(str(module().kubeconfig(local.state(state).folder)))
    except LookupError as error:
        raise click.ClickException(str(error)) from None

"""`delinkcious up`, `down`, `status`, `url`, `ca`: the whole application on this machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

import click
from rich.console import Console

from delinkcious import control_planes, environments, local
from delinkcious.commands import mesh_show, up_kubernetes
from delinkcious.commands.mesh_options import control_plane_option
from delinkcious.tools import installing
from mesh.local.model import InvalidConfig
from mesh.local.runtime import supervise
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshBusy, MeshError
from mesh.local.runtime.state import State

INTERRUPTED = 130  # 128 + SIGINT, as shells say it

P = ParamSpec("P")
T = TypeVar("T")

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Where keys, data and logs lie [default: the environment's folder in the checkout]",
)
environment_option = click.option(
    "--env",
    "environment",
    metavar="NAME",
    help="Which environment; `delinkcious env list` names them [default: DELINKCIOUS_ENV, else dev]",
)


@click.command()
@state_option
@environment_option
@click.option("--foreground", is_flag=True, help="Stay, print what happens, end with Ctrl-C.")
@click.option("--timeout", "timeout_s", default=120.0, show_default=True, help="Seconds to wait for it.")
@click.option(
    "--tools/--no-tools",
    "with_tools",
    default=True,
    show_default=True,
    help="Bring Jaeger and Prometheus in the background where they are missing.",
)
@click.option(
    "--kubernetes",
    is_flag=True,
    help="As the node of a Kubernetes of this machine, which kubectl and helm command.",
)
@control_plane_option
@click.option(
    "--install/--no-install", "installs", default=True, help="With --kubernetes: install the chart."
)
def up(
    state: Path | None,
    environment: str | None,
    foreground: bool,
    timeout_s: float,
    with_tools: bool,
    kubernetes: bool,
    control_plane: str,
    installs: bool,
) -> None:
    """Start everything on this machine: database, services, sidecars, gateway.

    Runs on in the background; `delinkcious down` ends it. What runs already is left alone; what another
    start is just beginning is waited for. Jaeger and Prometheus join when they are there.
    """
    if kubernetes and control_plane != control_planes.EMBEDDED:
        _fail("--kubernetes is with the mesh's own control plane: leave out one of the two")
    meant = _plainly(environments.find, _plainly(local.project), environment)
    folder = _plainly(local.state, state, meant.name)
    if foreground:
        own = partial(local.make_mesh, environment=meant.name, control_plane=control_plane)
        make = _plainly(up_kubernetes.module).make_mesh if kubernetes else own
        mesh = _plainly(make, meant.checkout, folder.folder, supervise.reporter())
        _plainly(supervise.run, mesh, lambda: None if kubernetes else _show(folder))
        return
    if kubernetes and not meant.usual:
        _fail("a Kubernetes of this machine has no environments: leave out --env, or name another --state")
    began = time.monotonic()
    own_options = ["--env", meant.name, "--control-plane", control_plane]
    options = ["--kubernetes"] if kubernetes else own_options
    if _started(folder, timeout_s, options):
        if kubernetes:
            _plainly(up_kubernetes.install, meant.checkout, folder, chart=installs)
        click.echo(f"{_named(meant.name)} is up after {time.monotonic() - began:.1f} s.\n")
        _plainly(_show, folder)
        if with_tools:
            _bring_tools()
        _show_next(meant.name, up_kubernetes.NEXT if kubernetes else ())
    else:
        click.echo(
            f"{_named(meant.name)} runs already; end it with `delinkcious down{_option(meant.name)}`.\n"
        )
        _plainly(_show, folder)


def _bring_tools() -> None:
    """Begin what takes minutes, now that the application is usable; whatever comes of it, that stays so."""
    try:
        coming = installing.begin()
    except (OSError, LookupError) as error:
        click.echo(f"\nJaeger and Prometheus are not brought: {error}", err=True)
        return
    if coming:
        names = " and ".join(tool.name for tool in coming)
        click.echo(f"\n{names}: being made in the background, once, some minutes; they join by themselves")
        click.echo("(delinkcious tools list says how far)")


def _named(environment: str) -> str:
    return "Delinkcious" if environment == environments.USUAL else f"Delinkcious ({environment})"


def _option(environment: str) -> str:
    return "" if environment == environments.USUAL else f" --env {environment}"


def _show_next(environment: str, before: Sequence[tuple[str, str]]) -> None:
    click.echo("\nNext:")
    if environment != environments.USUAL:
        command = f"export {environments.VARIABLE}={environment}"
        click.echo(f"  {command:<38}let every command mean this environment")
    for command, effect in (*before, *NEXT):
        click.echo(f"  {command:<38}{effect}")


def _started(folder: State, timeout_s: float, options: Sequence[str]) -> bool:
    """Start it and wait until it is up; False when it was there already, or another start was faster."""
    arguments = ["up", "--foreground", "--state", str(folder.folder), *options]
    try:
        with Console(stderr=True).status("Starting the database, the services and their sidecars ..."):
            supervise.detach(arguments, folder, timeout_s)
    except MeshBusy:
        _plainly(supervise.join, folder, timeout_s)
        return False
    except KeyboardInterrupt:
        _plainly(supervise.down, folder)
        _fail("Interrupted; what was started is ended.", INTERRUPTED)
    except (MeshError, InvalidConfig) as error:
        _fail(mesh_show.nearer(str(error)))
    return True


@click.command()
@state_option
@environment_option
def down(state: Path | None, environment: str | None) -> None:
    """End everything that `up` started, however it was left; the data stay."""
    folder = _plainly(local.state, state, environment)
    swept = _plainly(supervise.down, folder)
    killed = f"; {swept} processes had to be killed" if swept else ""
    name = environments.USUAL if state else environment or environments.chosen()
    click.echo(f"{_named(name)} is down{killed}.")


@click.command()
@state_option
@environment_option
def status(state: Path | None, environment: str | None) -> None:
    """Show what runs and where."""
    _plainly(_show, _plainly(local.state, state, environment))


@click.command()
@click.argument("what", type=click.Choice(["pages", "console", *local.LOOKING]), default="pages")
@state_option
@environment_option
def url(what: str, state: Path | None, environment: str | None) -> None:
    """Print an address, for scripts: URL=$(delinkcious url); or that of the console, Jaeger or Prometheus."""
    state = _plainly(local.state, state, environment).folder
    if what in local.LOOKING:
        click.echo(_plainly(local.tool_url, what, state))
    else:
        click.echo(_plainly(local.console_url if what == "console" else local.ingress_url, state))


@click.command()
@state_option
@environment_option
def ca(state: Path | None, environment: str | None) -> None:
    """Print the file of the certificate to trust: export CURL_CA_BUNDLE=$(delinkcious ca)."""
    file = _plainly(local.authority_file, _plainly(local.state, state, environment).folder)
    if not file.exists():
        _fail(f"{file} is not there yet: delinkcious up makes it")
    click.echo(str(file))


def _show(folder: State) -> None:
    mesh_show.show("pods", Client(folder).get("/get/pods"), "table")
    address = local.ingress_url(folder.folder)
    click.echo(f"\npages            {address}/")
    click.echo(f"API              {address}/api/v1/, described at {address}/docs")
    click.echo(f"console          {local.console_url(folder.folder)}")
    click.echo(f"its certificate  {local.relative(local.authority_file(folder.folder))}")
    click.echo(f"what happens     {local.relative(folder.output)}")
    for name, what in local.LOOKING.items():
        click.echo(f"{what:<17}{_tool(name, folder)}")
    told = Client(folder).get("/status")
    if told["held"]:
        click.echo(f"\n{mesh_show.nearer(told['held'])}")
    if told["refused"]:
        words = mesh_show.nearer(told["refused"])
        click.echo(f"\nNOT IN FORCE, what was before goes on:\n{words}", err=True)


def _tool(name: str, folder: State) -> str:
    """Where to look at what a tool has, or why it is not there; a Jaeger built here has no pages."""
    try:
        address = local.tool_url(name, folder.folder)
    except LookupError as error:
        return str(error)
    return f"{local.console_url(folder.folder)}traces/ (Jaeger: {address})" if name == "jaeger" else address


NEXT = (
    (". .venv/bin/activate", "put `delinkcious` on your PATH"),
    ("delinkcious sign-up NAME", "make an account and sign in"),
    ("delinkcious import FILE", "bring your bookmarks, as any browser exports them"),
    ("delinkcious search 'python -tag:old'", "find them again"),
    ("delinkcious follow NAME", "make somebody's links your news"),
    ("delinkcious mesh get pods", "what runs; also routes, clusters, policies"),
    ("delinkcious down", "end it all; the data stay"),
)


def _plainly(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call it; an error that says what to do is shown as it is, without a stack trace."""
    try:
        return function(*arguments, **options)
    except (MeshError, InvalidConfig, LookupError) as error:
        _fail(mesh_show.nearer(str(error)))


def _fail(sentence: str, code: int = 1) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(code)

"""`delinkcious mesh`: run Kubernetes manifests and Istio YAML on this machine, and look after them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from delinkcious import control_planes
from delinkcious.commands import (
    mesh_change,
    mesh_check,
    mesh_diff,
    mesh_explain,
    mesh_logs,
    mesh_run,
    mesh_show,
    mesh_top,
)
from delinkcious.commands.mesh_options import (
    control_plane_option,
    meant,
    namespace_option,
    selector_option,
    state_option,
)
from mesh.local.model import InvalidConfig
from mesh.local.runtime import freeing, supervise
from mesh.local.runtime import state as states
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError, NotFound
from mesh.local.runtime.mesh import Mesh, Options
from mesh.local.runtime.sources import Files
from mesh.local.runtime.state import State
from mesh.local.schema.selectors import fits


class Verbs(click.Group):
    """Shows the mesh's own errors as they are, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (MeshError, InvalidConfig) as error:
            click.echo(mesh_show.nearer(str(error)), err=True)
            sys.exit(1)


@click.group(cls=Verbs)
def mesh() -> None:
    """Run Kubernetes manifests and Istio YAML on this machine."""


@mesh.command()
@click.option(
    "-f", "--filename", "filenames", multiple=True, required=True, help="A file or a folder, watched."
)
@click.option("--state", type=click.Path(path_type=Path), help="The mesh's folder [default: .delinkcious]")
@click.option("-d", "--detach", is_flag=True, help="Return when everything is ready; it goes on running.")
@click.option("--timeout", "timeout_s", default=300.0, show_default=True, help="Seconds -d waits.")
@control_plane_option
@click.option(
    "--drain-time",
    "drain_s",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Seconds that open connections have when their policy changes; 0 cuts them.",
)
def up(
    filenames: tuple[str, ...],
    state: Path | None,
    detach: bool,
    timeout_s: float,
    control_plane: str,
    drain_s: int,
) -> None:
    """Start a mesh of these files and keep it like them until SIGTERM or Ctrl-C.

    `command`s of containers run in the current folder, unless they have a `workingDir`.
    """
    folder = state or Path(states.FOLDER)
    if detach:
        arguments = ["mesh", "up", "--state", str(folder.resolve()), "--control-plane", control_plane]
        arguments += ["--drain-time", str(drain_s)]
        for name in filenames:
            arguments += ["-f", str(Path(name).absolute())]
        supervise.detach(arguments, State(folder), timeout_s)
        client = Client(State(folder))
        mesh_show.show("pods", client.get("/get/pods"), "table")
        if holding := client.get("/status")["held"]:
            click.echo(f"\n{mesh_show.nearer(holding)}")
        return
    began = time.monotonic()
    report = supervise.reporter()
    plane, processes = control_planes.control_plane(control_plane, folder, report)
    files = Files([Path(name) for name in filenames])
    options = Options(control_plane=plane, drain_s=drain_s)
    running = Mesh(folder, files, processes=processes, report=report, options=options)

    def came_up() -> None:
        pods = [pod for pod in running.controller.pods.values() if pod.ready]
        click.echo(f"The mesh is up after {time.monotonic() - began:.1f} s: {len(pods)} pods are ready.")

    supervise.run(running, came_up)


@mesh.command()
@state_option
def down(state: Path | None) -> None:
    """End the mesh and every process of it, however it was left."""
    where = meant(state)
    if not where.folder.is_dir():
        raise NotFound(f"{where.folder} does not exist: no mesh was ever started there")
    swept = supervise.down(where)
    click.echo(f"The mesh is down; {swept} processes had to be killed." if swept else "The mesh is down.")


@mesh.command()
@state_option
def status(state: Path | None) -> None:
    """Show what runs, what is held over the files and what is wrong; exit code 1 when something is."""
    where = meant(state)
    client = Client(where)
    told = client.get("/status")
    click.echo(_where(where, told))
    if told["up"]:
        click.echo()
        mesh_show.show("pods", client.get("/get/pods"), "table")
    else:
        click.echo("It is still starting: " + "; ".join(told["waitingFor"]))
    if told["held"]:
        click.echo(f"\n{mesh_show.nearer(told['held'])}")
    wrong = []
    if told["refused"]:
        wrong.append(f"NOT IN FORCE, what was before goes on:\n{mesh_show.nearer(told['refused'])}")
    wrong += [f"CRASHING: {text}" for text in told["crashing"]]
    wrong += [f"FAILED: {text}" for text in told["failed"]]
    for text in wrong:
        click.echo(f"\n{text}", err=True)
    sys.exit(1 if wrong else 0)


def _where(where: State, told: dict[str, Any]) -> str:
    """Which mesh it is, under which control plane, and where what happens is told."""
    under = "" if told["controlPlane"] == control_planes.EMBEDDED else f" under {told['controlPlane']}"
    begun = f"A mesh runs in {where.folder}{under} (process {told['pid']}), what happens there"
    if _writes_to(told["pid"], where.output):
        return f"{begun}: {mesh_show.near(str(where.output))}"
    return f"{begun} is told where it was started"


def _writes_to(pid: int, file: Path) -> bool:
    """Whether it is a process' standard output: a file of that name may be an earlier mesh's."""
    try:
        return file.samefile(f"/proc/{pid}/fd/1")
    except OSError:
        return False


@mesh.command()
@click.argument("what", type=click.Choice(mesh_show.KINDS), metavar="KIND")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json", "yaml"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
@selector_option
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Every namespace, as without -n.")
@state_option
def get(
    what: str,
    names: tuple[str, ...],
    output: str,
    selector: dict[str, Any] | None,
    namespace: str | None,
    all_namespaces: bool,
    state: Path | None,
) -> None:
    """Show what runs and what is in force.

    KIND is pods, services, workloads, jobs, cronjobs, hpa, policies, overrides; or what a proxy has, which is
    named by its pod or workload: listeners, routes, clusters, and as Envoy tells them endpoints and certs.
    """
    kind, where = mesh_show.plural(what), meant(state)
    space = None if all_namespaces else namespace
    query: dict[str, str] = {"namespace": space} if space else {}
    if kind == "overrides" and where.holder() is None:
        rows = [row for row in freeing.listed(where) if space in (None, row["namespace"])]
    else:
        if kind in ("endpoints", "certs") and len(names) == 1:  # its proxies alone need to be asked then
            query["name"] = names[0].rpartition("/")[2]
        rows = Client(where).get(f"/get/{kind}", **query)
    if selector is not None:
        rows = [row for row in rows if fits(selector, row.get("labels") or {})]
    mesh_show.show(kind, mesh_show.picked(kind, rows, names, space), output, space)


for _verb in (
    mesh_change.apply,
    mesh_change.delete,
    mesh_change.reset,
    mesh_change.scale,
    mesh_change.restart,
    mesh_change.create,
    mesh_change.rotate,
    mesh_run.run,
    mesh_run.init,
):
    mesh.add_command(_verb)
mesh.add_command(mesh_check.check)
mesh.add_command(mesh_explain.explain)
mesh.add_command(mesh_diff.diff)
mesh.add_command(mesh_logs.logs)
mesh.add_command(mesh_top.top)

"""`delinkcious mesh`: run Kubernetes manifests and Istio YAML on this machine, and look after them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from delinkcious.commands import mesh_show
from mesh.local import resources
from mesh.local.check import validate
from mesh.local.model import InvalidConfig, Resource
from mesh.local.runtime import state as states
from mesh.local.runtime import supervise
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.state import State

files_option = click.option(
    "-f",
    "--filename",
    "filenames",
    multiple=True,
    required=True,
    help="A file or a folder; - is standard input.",
)
state_option = click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="The mesh's folder [default: .delinkcious, searched upwards]",
)
namespace_option = click.option("-n", "--namespace", help="Only this namespace.")


class Verbs(click.Group):
    """Shows the mesh's own errors as they are, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (MeshError, InvalidConfig) as error:
            click.echo(str(error), err=True)
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
def up(filenames: tuple[str, ...], state: Path | None, detach: bool, timeout_s: float) -> None:
    """Start a mesh of these files and keep it like them until SIGTERM or Ctrl-C."""
    folder = state or Path(states.FOLDER)
    if detach:
        arguments = ["mesh", "up", "--state", str(folder.resolve())]
        for name in filenames:
            arguments += ["-f", str(Path(name).absolute())]
        supervise.detach(arguments, State(folder), timeout_s)
        mesh_show.show("pods", Client(State(folder)).get("/get/pods"), "table")
        return
    began = time.monotonic()
    running = Mesh(folder, [Path(name) for name in filenames], report=click.echo)

    def came_up() -> None:
        pods = [pod for pod in running.controller.pods.values() if pod.ready]
        click.echo(f"The mesh is up after {time.monotonic() - began:.1f} s: {len(pods)} pods are ready.")

    supervise.run(running, came_up)


@mesh.command()
@state_option
def down(state: Path | None) -> None:
    """End the mesh and every process of it, however it was left."""
    swept = supervise.down(_state(state))
    click.echo(f"The mesh is down; {swept} processes had to be killed." if swept else "The mesh is down.")


@mesh.command()
@files_option
@state_option
def apply(filenames: tuple[str, ...], state: Path | None) -> None:
    """Put objects into force on every sidecar, all or none, above the watched files.

    The last word wins: an applied object holds until its text in a watched file changes.
    """
    _say(Client(_state(state)).post("/apply", _documents(filenames)))


@mesh.command()
@files_option
@state_option
def delete(filenames: tuple[str, ...], state: Path | None) -> None:
    """Take objects away, by the names in these files; a watched file's object until its text changes."""
    _say(Client(_state(state)).post("/delete", _documents(filenames)))


@mesh.command()
@files_option
def check(filenames: tuple[str, ...]) -> None:
    """Judge files without a mesh; exit code 1 when something is wrong."""
    found: list[Resource] = []
    for document in _documents(filenames)["documents"]:
        found += resources.parse(document["text"], document["file"])
    findings = validate(found)[1]
    for finding in findings:
        click.echo(str(finding))
    errors = sum(finding.level == "error" for finding in findings)
    if errors:
        sys.exit(1)
    click.echo(f"{len(found)} objects are right.")


@mesh.command()
@click.argument("what", type=click.Choice(mesh_show.KINDS))
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json", "yaml"]), default="table")
@namespace_option
@state_option
def get(what: str, output: str, namespace: str | None, state: Path | None) -> None:
    """Show what runs and what is in force."""
    query = {"namespace": namespace} if namespace else {}
    mesh_show.show(what, Client(_state(state)).get(f"/get/{mesh_show.plural(what)}", **query), output)


@mesh.command()
@click.argument("pod")
@click.argument("method")
@click.argument("url")
@click.option("-H", "--header", "headers", multiple=True, help="NAME: VALUE")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@namespace_option
@state_option
def explain(
    pod: str,
    method: str,
    url: str,
    headers: tuple[str, ...],
    output: str,
    namespace: str | None,
    state: Path | None,
) -> None:
    """Say what becomes of a request from POD: the route, the destination, the policy that decides."""
    pairs = [header.partition(":") for header in headers]
    question = {
        "pod": pod,
        "method": method.upper(),
        "url": url,
        "headers": [(name.strip(), value.strip()) for name, _, value in pairs],
        "namespace": namespace,
    }
    mesh_show.explanation(Client(_state(state)).post("/explain", question), output)


@mesh.command()
@click.argument("target", metavar="deployment/NAME")
@click.option("--replicas", type=click.IntRange(0, 1000), required=True)
@click.option("-n", "--namespace", default="default", show_default=True)
@state_option
def scale(target: str, replicas: int, namespace: str, state: Path | None) -> None:
    """Change how many pods a Deployment has; returns when they are ready or gone."""
    body = {"namespace": namespace, "name": _deployment(target), "replicas": replicas}
    answer = Client(_state(state)).post("/scale", body)
    click.echo(f"{target} scaled to {replicas} ({answer['ms'] / 1000:.1f} s)")


@mesh.command()
@click.argument("target", metavar="deployment/NAME")
@click.option("-n", "--namespace", default="default", show_default=True)
@state_option
def restart(target: str, namespace: str, state: Path | None) -> None:
    """Replace a Deployment's pods one by one, losing no request; returns when all are new."""
    body = {"namespace": namespace, "name": _deployment(target)}
    answer = Client(_state(state)).post("/restart", body)
    click.echo(f"{target} restarted ({answer['ms'] / 1000:.1f} s)")


@mesh.command()
@click.argument("pod")
@click.option("-c", "--container", help="istio-proxy is the sidecar [default: the first]")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until interrupted.")
@click.option("--previous", is_flag=True, help="Of the process before the last restart.")
@namespace_option
@state_option
def logs(
    pod: str, container: str | None, follow: bool, previous: bool, namespace: str | None, state: Path | None
) -> None:
    """Print what a pod's process wrote, also when the mesh is down."""
    file = mesh_show.log_file(_state(state), pod, container, namespace, previous=previous)
    mesh_show.print_log(file, follow=follow)


def _state(explicit: Path | None) -> State:
    return states.find(Path.cwd(), explicit)


def _deployment(target: str) -> str:
    kind, _, name = target.rpartition("/")
    if kind not in ("", "deployment", "deployments", "deploy", "deployment.apps"):
        raise click.BadParameter(f"only a deployment can be: deployment/{name}")
    return name


def _documents(filenames: tuple[str, ...]) -> dict[str, list[dict[str, str]]]:
    found = []
    for name in filenames:
        if name == "-":
            found.append({"file": "standard input", "text": sys.stdin.read()})
        else:
            files = resources.files_of(Path(name))
            found += [{"file": str(file), "text": resources.read_text(file)} for file in files]
    return {"documents": found}


def _say(outcome: dict[str, Any], echo: Callable[[str], None] = click.echo) -> None:
    for warning in outcome["warnings"]:
        click.echo(warning, err=True)
    for change in outcome["changes"]:
        echo(change)
    times = f"effective on every sidecar after {outcome['effectiveMs']:.1f} ms"
    if outcome["drainedMs"] is not None:
        times += f", on open connections too after {outcome['drainedMs']:.0f} ms"
    echo(times)

"""`delinkcious mesh apply`, `delete`, `reset`, `scale`, `restart`, `create`, `rotate`: beside the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from delinkcious.commands.mesh_options import (
    documents,
    files_option,
    meant,
    own_namespace_option,
    read,
    selector_option,
    state_option,
    timeout_option,
    wait_option,
)
from delinkcious.commands.mesh_show import nearer
from mesh.local import resources
from mesh.local.runtime import applied, freeing
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import NotFound
from mesh.local.runtime.reference import KINDS
from mesh.local.schema.selectors import fits
from mesh.local.templates import LASTING

Json = dict[str, Any]


@click.command()
@files_option
@timeout_option
@wait_option
@state_option
def apply(filenames: tuple[str, ...], timeout_s: float, no_wait: bool, state: Path | None) -> None:
    """Put objects into force on every sidecar, all or none, above the watched files.

    Waits for the pods of Deployments that roll out. The last word wins: an applied object holds until its
    text in a watched file changes, also over restarts; `mesh get overrides` lists such objects, `mesh reset`
    lets the files rule again.
    """
    client = Client(meant(state))
    _say(client, client.post("/apply", documents(filenames)), None if no_wait else timeout_s)


@click.command()
@files_option
@state_option
def delete(filenames: tuple[str, ...], state: Path | None) -> None:
    """Take objects away, by the names in these files; a watched file's object until its text changes."""
    client = Client(meant(state))
    _say(client, client.post("/delete", documents(filenames)), None)


@click.command()
@click.argument("targets", nargs=-1, metavar="[KIND/NAME]...")
@click.option("-f", "--filename", "filenames", multiple=True, help="Every object of a file or a folder.")
@click.option("--all", "everything", is_flag=True, help="Everything that `mesh get overrides` lists.")
@own_namespace_option
@timeout_option
@wait_option
@state_option
def reset(
    targets: tuple[str, ...],
    filenames: tuple[str, ...],
    everything: bool,
    namespace: str,
    timeout_s: float,
    no_wait: bool,
    state: Path | None,
) -> None:
    """Let the watched files rule again over what was applied, deleted or scaled, also while it is down."""
    if sum(map(bool, (targets, filenames, everything))) != 1:
        raise click.UsageError("say what is to be reset: KIND/NAME ..., -f FILE, or --all")
    where = meant(state)
    running = where.holder() is not None
    client = Client(where)
    known = client.get("/get/overrides") if running else freeing.listed(where)
    keys = [(one["kind"], one["namespace"], one["name"]) for one in known]
    if targets:
        keys = list(dict.fromkeys(freeing.named(target, namespace, keys) for target in targets))
    elif filenames:
        keys = _held_of(filenames, keys)
    if not keys:
        click.echo("Nothing is held over the files.")
    elif running:
        outcome = client.post("/reset", {"keys": keys})
        outcome["changes"] = [f"{kind.lower()}/{name} reset in {space}" for kind, space, name in keys]
        _say(client, outcome, None if no_wait else timeout_s)
    else:
        freeing.free(where, keys)
        for kind, space, name in keys:
            click.echo(f"{kind.lower()}/{name} reset in {space}: the files rule from the next start on")


@click.command()
@click.argument("target", metavar="KIND/NAME")
@click.option("--replicas", type=click.IntRange(0, 1000), required=True, help="How many pods it is to have.")
@own_namespace_option
@state_option
def scale(target: str, replicas: int, namespace: str, state: Path | None) -> None:
    """Change how many pods a workload has; returns when they are ready or gone."""
    kind, name = _workload(target)
    body = {"namespace": namespace, "name": name, "kind": kind, "replicas": replicas}
    answer = Client(meant(state)).post("/scale", body)
    click.echo(f"{target} scaled to {replicas} ({answer['ms'] / 1000:.1f} s)")


@click.command()
@click.argument("targets", nargs=-1, metavar="[KIND/NAME]...")
@selector_option
@own_namespace_option
@state_option
def restart(targets: tuple[str, ...], selector: Json | None, namespace: str, state: Path | None) -> None:
    """Replace the pods of a workload one by one, losing no request; returns when all are new."""
    if bool(targets) == bool(selector):
        raise click.UsageError("say what is to be restarted: KIND/NAME ..., or -l LABEL=VALUE")
    client = Client(meant(state))
    named = [_workload(target) for target in targets]
    if selector:
        named = [
            (kind, one["object"]["metadata"]["name"])
            for kind in LASTING
            for one in client.get("/objects", kind=kind, namespace=namespace)
            if fits(selector, one["object"]["metadata"].get("labels") or {})
        ]
        if not named:
            raise NotFound(f"no workload with these labels in namespace {namespace}")
    for kind, name in named:
        answer = client.post("/restart", {"namespace": namespace, "name": name, "kind": kind})
        click.echo(f"{kind.lower()}/{name} restarted ({answer['ms'] / 1000:.1f} s)")


@click.group()
def create() -> None:
    """Make what no file says: a Job of a CronJob, now."""


@create.command("job")
@click.argument("name")
@click.option("--from", "source", required=True, metavar="cronjob/NAME", help="The CronJob whose Job it is.")
@own_namespace_option
@state_option
def create_job(name: str, source: str, namespace: str, state: Path | None) -> None:
    """Run a CronJob's Job now, whatever its schedule says."""
    kind, _, cronjob = source.rpartition("/")
    if kind.lower() not in ("cronjob", "cronjobs", "cj", "cronjob.batch"):
        raise click.BadParameter(f"only a cronjob can be: cronjob/{cronjob}")
    Client(meant(state)).post("/jobs", {"namespace": namespace, "name": name, "cronjob": cronjob})
    click.echo(f"job/{name} created: `delinkcious mesh logs job/{name}` prints what it says")


@click.command()
@state_option
def rotate(state: Path | None) -> None:
    """Give every sidecar and gateway a new certificate and key now; open connections go on."""
    answer = Client(meant(state)).post("/rotate", {})
    click.echo(f"{answer['proxies']} proxies show new certificates after {answer['ms']:.0f} ms")


def _workload(target: str) -> tuple[str, str]:
    """Kind and name; a name alone is a Deployment's."""
    written, _, name = target.rpartition("/")
    kind = KINDS.get(written.lower() or "deployment")
    if kind not in LASTING:
        raise click.BadParameter(f"only what lasts can be: deployment/{name}, statefulset/{name}")
    return kind, name


def _held_of(filenames: tuple[str, ...], held: list[applied.Key]) -> list[applied.Key]:
    """Those objects of the files that are held; the others are told. Raises InvalidConfig."""
    spoken = [resource.key for name, text in read(filenames) for resource in resources.parse(text, name)]
    for kind, _, name in (key for key in spoken if key not in held):
        click.echo(f"{kind.lower()}/{name} is not held")
    return [key for key in spoken if key in held]


def _say(client: Client, outcome: Json, timeout_s: float | None) -> None:
    """Print what a change did, then wait for the pods that follow it, unless `timeout_s` is None."""
    for warning in outcome["warnings"]:
        click.echo(nearer(warning), err=True)
    for change in outcome["changes"]:
        click.echo(change)
    times = f"effective on every sidecar after {outcome['effectiveMs']:.1f} ms"
    if outcome["drainedMs"] is not None:
        times += f", on open connections too after {outcome['drainedMs']:.0f} ms"
    click.echo(times)
    if outcome["heldOver"]:
        names = ", ".join(outcome["heldOver"])
        click.echo(
            "held over the watched files until their text changes, or "
            f"`delinkcious mesh reset KIND/NAME`: {names}"
        )
    moving = outcome["rollingOut"]
    for one in moving:
        pods = f": {', '.join(one['pods'])}" if one["pods"] else ""
        click.echo(f"{_reference(one)} in {one['namespace']} is rolling out{pods}")
    if not moving or timeout_s is None:
        return
    keys = [(one["kind"], one["namespace"], one["name"]) for one in moving]
    answer = client.post("/rollout", {"keys": keys, "within_s": timeout_s}, within_s=timeout_s + 30)
    click.echo(f"{', '.join(_reference(one) for one in moving)} rolled out ({answer['ms'] / 1000:.1f} s)")


def _reference(one: Json) -> str:
    return f"{one['kind'].lower()}/{one['name']}"

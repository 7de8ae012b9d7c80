"""What people say to rollouts: start, approve, pause, resume, abort, promote."""

from __future__ import annotations

import asyncio
import getpass
import time
from pathlib import Path

import click
import msgspec

from delinkcious import local, rollouts
from delinkcious.asking import Failed
from delinkcious.canary import kubernetes
from delinkcious.canary.finding import named
from delinkcious.canary.kubernetes import Where
from delinkcious.terminal import shown
from mesh.canary import home
from mesh.canary.local import LocalPlatform
from mesh.canary.platform import PlatformError
from mesh.canary.runs import starting
from mesh.canary.runs.fields import Manual
from mesh.canary.runs.folder import Busy, FolderError, Said, name_of
from mesh.canary.runs.gates import judge_zones
from mesh.canary.runs.journal import Began, DamagedJournal, Verb, events
from mesh.canary.runs.rollout import InvalidRollout, Rollout, parse, read
from mesh.canary.runs.run import NotARun, Run, fold
from mesh.canary.signals import NoEvidence, missing_edges
from mesh.canary.views import words
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State

ROLLOUTS = Path("mesh") / "canary" / "rollouts"
HEARD_WITHIN_S, TAKEN_BACK_WITHIN_S = 10.0, 300.0
LOOK_S = 0.1
# The Deployment of the chart that makes load.
LOAD = "canary-load"

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="The mesh's folder [default: .delinkcious in the checkout]",
)


@click.command()
@click.argument("service")
@click.option("-f", "--filename", type=click.Path(path_type=Path), help=f"[default: {ROLLOUTS}/SERVICE.yaml]")
@click.option("--set", "sets", multiple=True, metavar="env.NAME=VALUE", help="Another value of a variable.")
@click.option("--image", help="Another image; a mesh on one machine pulls none.")
@click.option("--command", "command_line", help="Another command line, as a shell reads it.")
@click.option("--source", type=click.Choice(["prometheus", "envoy"]), help="Where evidence comes from.")
@click.option("--mirror", is_flag=True, help="First send it copies of GET requests, until they prove it.")
@click.option("--blue-green", is_flag=True, help="The same, and then all requests at once.")
@click.option("--load", is_flag=True, help="Where there is no traffic, have some made while the run lasts.")
@click.option("--dry-run", is_flag=True, help="Decide on the traffic as it is split, and change nothing.")
@click.option("--replace", is_flag=True, help="Take a canary that is under way back first.")
@state_option
@kubernetes.options()
def start(
    service: str,
    filename: Path | None,
    sets: tuple[str, ...],
    image: str | None,
    command_line: str | None,
    source: str | None,
    mirror: bool,
    blue_green: bool,
    load: bool,
    dry_run: bool,
    replace: bool,
    state: Path | None,
    where: Where | None,
) -> None:
    """Begin to roll a new version of SERVICE out, beside the one that serves now.

    It starts as a Deployment of its own, gets a small share of the traffic, and more with every proof that it
    is no worse; errors or slowness take it back. `delinkcious canary watch SERVICE` shows how it goes.

    On Kubernetes its Rollout object says how; kubectl applies that.
    """
    if where is not None:
        if filename or source or mirror or blue_green or load or dry_run:
            raise click.UsageError(
                "-f, --source, --mirror, --blue-green, --load and --dry-run: "
                "the Rollout object says that on Kubernetes"
            )
        began_there = kubernetes.start(where, service, sets, image, command_line, replace=replace)
        click.echo(f"{service}: run {began_there} begins")
        return
    try:
        asked = read(filename or local.project() / ROLLOUTS / f"{service}.yaml")
        asked = _with(asked, source, mirror=mirror, blue_green=blue_green, load=load, dry_run=dry_run)
        if asked.spec.service != service:
            raise InvalidRollout(f"{filename}: it is a rollout of {asked.spec.service}, not of {service}")
        judge_zones(asked.spec.gates)
        mesh = local.state(state)
        if replace:
            _take_back(mesh, asked)
        _judge_alone(mesh, asked)
        began = asyncio.run(_begin(mesh, asked, starting.Changes(sets, image, command_line)))
        home.folder(mesh).begin(began)
        Client(mesh).post("/start", {"name": rollouts.NAME})
    except FileNotFoundError as error:
        raise Failed(f"{error.filename} is not there: name a rollout with -f") from None
    except (InvalidRollout, PlatformError, FolderError, MeshError, LookupError, UnicodeError) as error:
        # What YAML says of a mistake shows its place below each other.
        raise Failed("\n".join(map(shown, str(error).splitlines()))) from None
    click.echo(f"{service}: run {began.run} begins, {began.canary} beside {began.stable}")
    if asked.spec.dry_run:
        click.echo("  a dry run: it decides on the traffic as somebody else splits it, and changes nothing")
        if asked.spec.mirror is not None or asked.spec.load is not None:
            click.echo("  so nothing is copied, and no load is made")
    for change in began.changed:
        click.echo(f"  {shown(change)}")
    click.echo(f"See how it goes: delinkcious canary watch {service}")


@click.command()
@click.argument("run", metavar="RUN|SERVICE")
@click.argument("gate")
@state_option
@kubernetes.options()
def approve(run: str, gate: str, state: Path | None, where: Where | None) -> None:
    """Open a manual GATE for the next move."""
    _say(where, state, run, "approve", gate)


@click.command()
@click.argument("run", metavar="RUN|SERVICE")
@state_option
@kubernetes.options()
def pause(run: str, state: Path | None, where: Where | None) -> None:
    """Hold the weight; evidence goes on, and can still take the canary back."""
    _say(where, state, run, "pause")


@click.command()
@click.argument("run", metavar="RUN|SERVICE")
@state_option
@kubernetes.options()
def resume(run: str, state: Path | None, where: Where | None) -> None:
    """Go on after a pause; weights that somebody else has set are set again."""
    _say(where, state, run, "resume")


@click.command()
@click.argument("run", metavar="RUN|SERVICE")
@state_option
@kubernetes.options()
def abort(run: str, state: Path | None, where: Where | None) -> None:
    """Take the canary back now: no traffic, then no pods."""
    _say(where, state, run, "abort")


@click.command()
@click.argument("run", metavar="RUN|SERVICE")
@click.confirmation_option(prompt="This gives the canary all of the traffic without proof. Do it?")
@state_option
@kubernetes.options()
def promote(run: str, state: Path | None, where: Where | None) -> None:
    """Give the canary all of the traffic now, without proof."""
    _say(where, state, run, "promote")


def _judge_alone(mesh: State, asked: Rollout) -> None:
    """Raises Busy, before anything is asked of the mesh: with two versions served, that would say less."""
    service = asked.spec.service
    for journal in _unfinished(mesh, asked):
        raise Busy(
            f"{service} has a run already, {name_of(journal)}: "
            f"watch it (delinkcious canary watch {service}), "
            f"take it back (delinkcious canary abort {service}), or begin with --replace"
        )


def _take_back(mesh: State, asked: Rollout) -> None:
    """End what goes on: another revision is another run. Raises FolderError, MeshError."""
    runs, service = home.folder(mesh), asked.spec.service
    for journal in _unfinished(mesh, asked):
        runs.say(journal, Said(verb="abort", by=_me()))
        Client(mesh).post("/start", {"name": rollouts.NAME})
        click.echo(f"{service}: run {name_of(journal)} is taken back ...")
    deadline = time.monotonic() + TAKEN_BACK_WITHIN_S
    while left := _unfinished(mesh, asked):
        if time.monotonic() > deadline:
            raise FolderError(f"run {name_of(left[0])} has not ended within {TAKEN_BACK_WITHIN_S:g} s")
        time.sleep(LOOK_S)


def _unfinished(mesh: State, asked: Rollout) -> list[Path]:
    """Those of this service, not of its namesake elsewhere."""
    found = home.folder(mesh).unfinished(asked.spec.service)
    return [journal for journal in found if journal.parent.parent.name == asked.metadata.namespace]


def _me() -> str:
    """Who gives a command; the system may call them what is no text."""
    return getpass.getuser().encode("utf-8", "replace").decode()


def _with(
    asked: Rollout, source: str | None, *, mirror: bool, blue_green: bool, load: bool, dry_run: bool
) -> Rollout:
    """The rollout with what the command line says above it."""
    document = msgspec.to_builtins(asked)
    spec = document["spec"]
    if source is not None:
        spec["analysis"]["source"] = source
    if mirror or blue_green:
        spec["mirror"] = spec.get("mirror") or {}
    if blue_green:
        spec["strategy"] = "blueGreen"
    if load:
        spec["load"] = spec.get("load") or {"deployment": LOAD}
    spec["dryRun"] = dry_run or asked.spec.dry_run
    return parse(document)


async def _begin(mesh: State, asked: Rollout, changes: starting.Changes) -> Began:
    """The beginning, when nothing speaks against it. Raises PlatformError, InvalidRollout."""
    platform = LocalPlatform(mesh, asked.metadata.namespace)
    run, by = home.folder(mesh).new_run(), _me()
    began = await starting.begin(platform, asked, changes, run=run, by=by, at=time.time())
    async with home.site(mesh)(Run(began)) as site:
        measured = asked.spec.measured(asked.metadata.namespace, began.stable, began.canary)
        try:
            missing = missing_edges(measured, await site.source.bounds_ms())
        except NoEvidence as error:
            raise starting.NotStarted(f"there is no evidence to be had: {error}") from None
    if missing:
        raise InvalidRollout(f"spec.slo.latencyEdgesMs: {missing}")
    return began


def _say(where: Where | None, state: Path | None, name: str, verb: Verb, gate: str = "") -> None:
    """Leave the command for the controller, and wait until it has heard it."""
    if where is not None:
        kubernetes.say(where, name, verb, gate)
        click.echo(f"{name}: {verb} {gate}".rstrip())
        return
    try:
        mesh = local.state(state)
        runs = home.folder(mesh)
        journal = named(runs, name)
        run = fold(events(journal))
        _judge(run, name_of(journal), gate if verb == "approve" else None)
        runs.say(journal, Said(verb, _me(), gate))
    except (FolderError, LookupError, DamagedJournal, NotARun, OSError) as error:
        raise Failed(shown(str(error))) from None
    service = run.spec.service
    try:
        Client(mesh).post("/start", {"name": rollouts.NAME})
    except MeshError as error:
        click.echo(f"{service}: {verb} is kept for when the mesh runs again ({shown(str(error))})")
        return
    if _heard(journal, run.commands):
        click.echo(f"{service}: {_followed_by(run, verb, gate)}")
    else:
        late = (
            f"the controller has not heard it within {HEARD_WITHIN_S:g} s; its log: delinkcious logs canary"
        )
        click.echo(f"{service}: {verb} is kept, but {late}")


def _followed_by(run: Run, verb: Verb, gate: str) -> str:
    """What a command that was heard means for a run as it stood before."""
    service = run.spec.service
    watch = f"delinkcious canary watch {service}"
    match verb:
        case "approve":
            return f"gate {gate} is open for one move; {watch}"
        case "pause":
            return f"the weight is held at {run.percent} %; delinkcious canary resume {service} goes on"
        case "resume":
            return f"the run goes on from {run.percent} %; {watch}"
        case "abort":
            return f"the canary is being taken back; {watch}"
        case "promote":
            return f"the canary is being given all requests; {watch}"


def _judge(run: Run, name: str, gate: str | None) -> None:
    """Raises FolderError for what nobody would hear."""
    if run.ended:
        raise FolderError(f"run {name} has ended: {words.ended(run.verdict or 'aborted', run.reason)}")
    manual = [each.name for each in run.spec.gates if isinstance(each, Manual)]
    if gate is not None and gate not in manual:
        there = f"; there are {', '.join(manual)}" if manual else ": it has none"
        raise FolderError(f"run {name} has no manual gate {gate!r}{there}")


def _heard(journal: Path, before: int) -> bool:
    """Whether one more command was taken, soon."""
    deadline = time.monotonic() + HEARD_WITHIN_S
    while time.monotonic() < deadline:
        if fold(events(journal)).commands > before:
            return True
        time.sleep(LOOK_S)
    return False

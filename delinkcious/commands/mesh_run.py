"""`delinkcious mesh run` and `init`: a plain command as a service of a mesh."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from delinkcious.commands.mesh_logs import FOLLOW_S, Stream
from delinkcious.commands.mesh_options import own_namespace_option
from mesh.local import resources, starter
from mesh.local.check import validate
from mesh.local.model import InvalidConfig
from mesh.local.runtime import freeing, supervise
from mesh.local.runtime import state as states
from mesh.local.runtime.applied import Key
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshBusy, MeshError, MeshNotRunning
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.sources import Files
from mesh.local.runtime.state import State
from mesh.local.starter import Program

EXAMPLE = ("python3", "-m", "http.server", "$(PORT)", "--bind", "$(HOST)")
EXAMPLE_PORT = 8000
LOOK_S = 1.0
_NO_LABEL = re.compile(r"[^a-z0-9]+")


class Variable(click.ParamType[tuple[str, str]]):
    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, equals, text = str(value).partition("=")
        if not equals:
            self.fail(f"{value} is not NAME=VALUE", param, ctx)
        return name, text


_port_option = click.option("--port", type=click.IntRange(1, 65535), help="Where it serves HTTP, if it does.")
_env_option = click.option("--env", "variables", type=Variable(), multiple=True, help="A variable of it.")
_replicas_option = click.option(
    "--replicas", type=click.IntRange(1, 100), default=1, show_default=True, help="How many pods there are."
)
_command_argument = click.argument("command", nargs=-1, type=click.UNPROCESSED)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--name", required=True, help="Its name in the mesh: others reach it as http://NAME/.")
@_port_option
@_env_option
@_replicas_option
@own_namespace_option
@click.option("--state", type=click.Path(path_type=Path), help="The mesh's folder [default: .delinkcious]")
@_command_argument
def run(
    name: str,
    port: int | None,
    variables: tuple[tuple[str, str], ...],
    replicas: int,
    namespace: str,
    state: Path | None,
    command: tuple[str, ...],
) -> None:
    """Run a command as a service with a sidecar until Ctrl-C.

    As in `delinkcious mesh run --name api --port 8000 -- python app.py`. It joins the mesh that runs in this
    folder, else it starts one. Say where it is to listen by $(HOST) and $(PORT) in its arguments, unless it
    reads HOST and PORT itself.
    """
    if not command:
        raise click.UsageError("say what to run: -- PROGRAM ARGUMENT...")
    where = _running(state)
    program = Program(
        name, _found(command), port, dict(variables), replicas, namespace, str(Path.cwd()), starter.RUN
    )
    text = starter.manifest(program)
    _judge(text)
    joined = where or State(state or Path(states.FOLDER))
    joined.create()
    with _named(joined, program):
        (_alone if where is None else _beside)(joined, program, text)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--name", help="Its name [default: the folder's].")
@_port_option
@_env_option
@_replicas_option
@own_namespace_option
@click.option("--force", is_flag=True, help="Write over what is there.")
@_command_argument
def init(
    folder: Path,
    name: str | None,
    port: int | None,
    variables: tuple[tuple[str, str], ...],
    replicas: int,
    namespace: str,
    force: bool,
    command: tuple[str, ...],
) -> None:
    """Write a starting manifest for a command: `mesh init shop --name api --port 8000 -- python app.py`."""
    name = name or _NO_LABEL.sub("-", folder.resolve().name.lower()).strip("-") or "app"
    if not command:
        command, port = EXAMPLE, port or EXAMPLE_PORT
    text = starter.manifest(Program(name, command, port, dict(variables), replicas, namespace))
    _judge(text)
    file = folder / f"{name}.yaml"
    if file.exists() and not force:
        raise click.ClickException(f"{file} exists; --force writes over it")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    click.echo(
        f"{file} is written. Next:\n  delinkcious mesh check -f {file}\n  delinkcious mesh up -f {file}"
    )


def _judge(text: str) -> None:
    """Raises InvalidConfig, as for a name that cannot be one."""
    _, findings = validate(resources.parse(text, "the manifest of this command"))
    if errors := [finding for finding in findings if finding.level == "error"]:
        raise InvalidConfig(errors)


def _found(command: tuple[str, ...]) -> list[str]:
    """The command with its program as it is found here: the mesh may have been started elsewhere."""
    return [shutil.which(command[0]) or command[0], *command[1:]]


def _running(explicit: Path | None) -> State | None:
    """The mesh to join, if one runs."""
    try:
        found = states.find(Path.cwd(), explicit)
    except MeshNotRunning:
        return None
    return found if found.holder() is not None else None


@contextlib.contextmanager
def _named(state: State, program: Program) -> Iterator[None]:
    """Have the name until this process ends, however it does. Raises MeshError when another one has it."""
    with (state.folder / f"run-{program.namespace}-{program.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MeshError(f"`mesh run` runs {program.name} already: choose another --name") from error
        yield


def _alone(state: State, program: Program, text: str) -> None:
    """Run a mesh that has nothing but this."""
    file = state.folder / f"run-{program.name}.yaml"
    file.write_text(text)
    ended = threading.Event()

    def came_up() -> None:
        click.echo(_told(Client(state), program))
        threading.Thread(target=_follow, args=(state, program, ended.is_set), daemon=True).start()

    try:
        supervise.run(Mesh(state.folder, Files([file], watched=False), report=supervise.reporter()), came_up)
    finally:
        ended.set()
        file.unlink(missing_ok=True)


def _beside(state: State, program: Program, text: str) -> None:
    """Put it beside what a mesh runs, and take it away at the end."""
    client = Client(state)
    _free(client, program)
    documents = {"documents": [{"file": "mesh run", "text": text}]}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    client.post("/apply", documents)
    try:
        key = ("Deployment", program.namespace, program.name)
        client.post("/rollout", {"keys": [key], "within_s": supervise.ENDED_WITHIN_S})
        click.echo(_told(client, program))
        _follow(state, program, _over(state, client, program))
        if state.holder() is not None:
            raise MeshError(f"{program.name} was taken out of the mesh by somebody else")
        click.echo(f"The mesh in {state.folder} has ended.")
    except KeyboardInterrupt:
        click.echo("")
    finally:
        _take_away(state, client, [one.key for one in resources.parse(text, "mesh run")])


def _take_away(state: State, client: Client, keys: list[Key]) -> None:
    """Leave nothing behind, in a mesh that has ended neither: its next start would bring it back."""
    deadline = time.monotonic() + supervise.ENDED_WITHIN_S
    while True:
        try:
            if state.holder() is None:
                freeing.free(state, keys)
            else:
                client.post("/reset", {"keys": keys})
            return
        except (MeshBusy, MeshNotRunning):  # it begins or ends just now
            if time.monotonic() > deadline:
                raise
            time.sleep(FOLLOW_S)


def _over(state: State, client: Client, program: Program) -> Callable[[], bool]:
    """Whether the mesh has ended, or its Deployment is there no more: that is asked every `LOOK_S`."""
    looked = time.monotonic()

    def over() -> bool:
        nonlocal looked
        if state.holder() is None:
            return True
        if time.monotonic() - looked < LOOK_S:
            return False
        looked = time.monotonic()
        try:
            there = client.get("/objects", kind="Deployment", namespace=program.namespace)
        except MeshError:  # it is ending, or busy
            return False
        return all(one["object"]["metadata"]["name"] != program.name for one in there)

    return over


def _free(client: Client, program: Program) -> None:
    """Raises MeshError when somebody else has its name."""
    for one in client.get("/objects", kind="Deployment", namespace=program.namespace):
        metadata = one["object"]["metadata"]
        if (
            metadata["name"] == program.name
            and (metadata.get("labels") or {}).get(starter.OWNER) != starter.RUN
        ):
            raise MeshError(f"deployment {program.name} is there already: choose another --name")


def _told(client: Client, program: Program) -> str:
    """Where it is, and how to ask it."""
    pods = [
        pod for pod in client.get("/get/pods", namespace=program.namespace) if pod["workload"] == program.name
    ]
    if program.port is None:
        return f"{program.name} runs as {', '.join(pod['name'] for pod in pods)}. Ctrl-C ends it."
    address = pods[0]["ports"][str(starter.SERVED)]
    host = program.name if program.namespace == "default" else f"{program.name}.{program.namespace}"
    return (
        f"{program.name} runs at http://{address}/, behind its sidecar; pods of the mesh reach it as "
        f"http://{host}/. Ctrl-C ends it.\n"
        f"  curl http://{address}/\n"
        f"  curl --proxy http://{pods[0]['egress']} http://{host}/   # as a pod of {program.name} would"
    )


def _follow(state: State, program: Program, over: Callable[[], bool]) -> None:
    """Print what its processes say, until `over`."""
    began, streams = time.time(), dict[Path, Stream]()
    while not over():
        for file in state.pods.joinpath(program.namespace).glob(f"{program.name}-*/logs/{program.name}.log"):
            if file not in streams and file.stat().st_mtime >= began - supervise.ENDED_WITHIN_S:
                prefix = f"[{file.parent.parent.name}] " if program.replicas > 1 else ""
                streams[file] = Stream(file, None, prefix.encode())
        for stream in streams.values():
            stream.copy()
        sys.stdout.flush()
        time.sleep(FOLLOW_S)

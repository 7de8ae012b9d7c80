"""What the verbs of `delinkcious mesh` share: options, the mesh that is meant, the files that are named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from delinkcious import control_planes, environments
from mesh.local import resources
from mesh.local.model import Finding, InvalidConfig
from mesh.local.runtime import state as states
from mesh.local.runtime.errors import MeshNotRunning
from mesh.local.runtime.state import State
from mesh.local.schema import selectors

STDIN = "standard input"

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
control_plane_option = click.option(
    "--control-plane",
    "control_plane",
    type=click.Choice(control_planes.NAMES),
    default=control_planes.EMBEDDED,
    show_default=True,
    help=f"What tells the sidecars what to do; istiod is a real one ({control_planes.BRINGS}).",
)
own_namespace_option = click.option(
    "-n", "--namespace", default="default", show_default=True, help="The namespace it is in."
)


class Selector(click.ParamType[Any]):
    """Labels as kubectl takes them: `app=x,tier!=y,track in (a,b),release,!old`."""

    name = "selector"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return value if isinstance(value, dict) else selectors.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


selector_option = click.option("-l", "--selector", type=Selector(), help="Only those with these labels.")
timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait for pods that roll out.",
)
wait_option = click.option("--no-wait", is_flag=True, help="Do not wait for pods that roll out.")


def meant(explicit: Path | None) -> State:
    """The mesh of `--state`, of a chosen environment, or of the current folder. Raises MeshNotRunning."""
    if explicit is None and environments.chosen() != environments.USUAL:
        # It knows databases and brokers, which most commands for a mesh need not load.
        from delinkcious import local

        try:
            return local.state()
        except LookupError as error:
            raise MeshNotRunning(str(error)) from error
    return states.find(Path.cwd(), explicit)


def read(filenames: tuple[str, ...]) -> list[tuple[str, str]]:
    """Name and text of every file that is named, each once. Raises InvalidConfig."""
    found: dict[Path | str, tuple[str, str]] = {}
    for name in filenames:
        if name == "-":
            found.setdefault(STDIN, (STDIN, _stdin()))
            continue
        for file in resources.files_of(Path(name)):
            if file.absolute() not in found:
                found[file.absolute()] = (str(file), resources.read_text(file))
    return list(found.values())


def documents(filenames: tuple[str, ...]) -> dict[str, list[dict[str, str]]]:
    """The files for the mesh, which may run in another folder: named from the root."""
    pairs = [(name if name == STDIN else str(Path(name).absolute()), text) for name, text in read(filenames)]
    return {"documents": [{"file": file, "text": text} for file, text in pairs]}


def _stdin() -> str:
    text = sys.stdin.read()
    if not text.strip():
        raise InvalidConfig([Finding("error", STDIN, 0, "File", STDIN, "", "is empty")])
    return text

"""`delinkcious logs`: what every process of the installation says, by time."""

from __future__ import annotations

import datetime as dt
import re
import time
from functools import partial
from pathlib import Path

import click

from delinkcious import log_lines
from delinkcious.asking import output_option
from delinkcious.commands import mesh_show
from delinkcious.commands.mesh_options import meant, state_option
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State
from mesh.logs import reading, sources
from mesh.logs.entry import RANK, Entry
from mesh.logs.reading import Filter, Tailed

USUAL_LINES = 200
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TRACE = re.compile(r"(?:[0-9a-f]{2}-)?([0-9a-f]{4,32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?")


def since(_: click.Context, __: click.Parameter, text: str | None) -> float:
    """`10m`, or a time: seconds since 1970; 0 for none."""
    if text is None:
        return 0.0
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text):
        return time.time() - float(match[1]) * _UNITS[match[2]]
    try:
        return dt.datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither like 10m nor a time like 2026-11-26T10:00") from None


def trace(_: click.Context, __: click.Parameter, text: str | None) -> str:
    """A trace id, the beginning of one, or a traceparent."""
    if text is None:
        return ""
    match = _TRACE.fullmatch(text.lower())
    if match is None:
        raise click.BadParameter(f"{text!r} is no trace id: 32 hexadecimal digits, or the first four or more")
    return match[1]


@click.command()
@click.argument("names", metavar="[SERVICE]...", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on printing until interrupted.")
@click.option("--trace", callback=trace, metavar="ID", help="Only the lines of one trace, from everywhere.")
@click.option("--level", type=click.Choice(list(RANK)), default="debug", help="Only this severe, or worse.")
@click.option("--since", callback=since, metavar="10m|TIME", help="Only what is younger.")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Only the last so many  [default: 200]")
@output_option
@state_option
def logs(
    names: tuple[str, ...],
    follow: bool,
    trace: str,
    level: str,
    since: float,
    lines: int | None,
    output: str,
    state: Path | None,
) -> None:
    """Print what all processes wrote, merged by time: services, sidecars, gateway, stores, the mesh.

    SERVICE is a service (its sidecars included), a workload, a pod, postgres, nats, redis, gateway,
    sidecars or mesh. Lines of a trace or a time are all shown unless -n says how many.
    """
    wanted = Filter("" if level == "debug" else level, trace, since)
    if lines is None and not (trace or since):
        lines = USUAL_LINES
    show = log_lines.as_json if output == "json" else log_lines.as_text
    try:
        folder = meant(state)
        found = sources.chosen(sources.find(folder), names)
        known = [Tailed(source) for source in found]
        for tailed in known:
            tailed.skip()
        _print(reading.history(found, wanted, lines), show)
        if follow:
            more = partial(_named, folder, names)
            for entry in reading.follow(more, wanted, known):
                _print([entry], show)
    except MeshError as error:
        raise click.ClickException(mesh_show.nearer(str(error))) from error
    except KeyboardInterrupt:
        return


def _named(folder: State, names: tuple[str, ...]) -> list[sources.Source]:
    return sources.chosen(sources.find(folder), names)


def _print(entries: list[Entry], show: log_lines.Show) -> None:
    for entry in entries:
        click.echo(show(entry))

"""`delinkcious load`: send what people do, find out how much is borne, compare two runs."""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from delinkcious.asking import INTERRUPTED, Failed, output_option, run, server_option
from delinkcious.commands.load_options import capacity_options, load_options, run_options
from delinkcious.terminal import shown

if TYPE_CHECKING:
    from delinkcious.load.capacity import Capacity
    from delinkcious.load.driving import Plan
    from delinkcious.load.report import Run

NEEDED = ("locust", "pygal")
HOW_TO_GET = "`delinkcious load` needs locust and pygal: `make .venv/dev` brings them"


@click.group()
def load() -> None:
    """Send what people do, find out how much is borne, and compare two runs.

    Load goes to this machine only, or with --i-own-this-host to a server of your own. The accounts that it
    makes (load-...) and their links stay.
    """


@load.command("run")
@run_options
@load_options
@output_option
@server_option
@click.pass_context
def run_(context: click.Context, /, users: int | None, rate: float | None, output: str, **said: Any) -> None:
    """Send a load and make a report of it.

    Users are locust's: they think, ask, and wait for the answer (closed loop). With --rate requests leave
    when they are due however slow the answers are, and their latency counts from then (open loop). The ten
    slowest requests come with their traces and what they waited for.

    Ends with 1 when too many requests failed, with 4 when nothing can be reached, with 130 after Ctrl-C,
    which makes the report of what was done so far.
    """
    _check_installed()
    from delinkcious.load import page, printing, running
    from delinkcious.load.driving import Closed

    if users is not None and rate is not None:
        raise click.UsageError("--users is for the closed loop and --rate for the open one: say one of them")
    if rate is not None and said["processes"] > 1:
        raise click.UsageError("--processes is for --users: the open loop is one process")
    _check_report(said["report"])
    plan = _plan(said, traced=said["traced"])
    lasts = said["duration"], said["shape"]
    sent = Closed(users or 20, *lasts, said["processes"]) if rate is None else running.Opened(rate, *lasts)
    found = run(running.run(plan, sent, _command(context)))
    files = _write(said["report"], "load", found, page.of_run(found))
    _tell(found, output, lambda: printing.print_run(found, files))
    if found.total.failed > said["max_failed"] * found.total.count or not found.total.succeeded:
        raise SystemExit(1)


@load.command()
@capacity_options
@load_options
@output_option
@server_option
@click.pass_context
def capacity(context: click.Context, /, first: float, most_rate: float, output: str, **said: Any) -> None:
    """Offer more and more load: what is borne, and what then.

    Goodput and p99 against offered load, up to twice what is borne.

    The knee is found by itself (docs/load.md says how). Nothing is traced by force. Ends with 1 when
    throughput collapses past the knee, with 130 after Ctrl-C, which makes the report of the steps that were
    done.
    """
    _check_installed()
    from delinkcious.load import page, printing
    from delinkcious.load.capacity import Steps, measure

    if most_rate < first:
        raise click.UsageError(f"--to {most_rate:g} is less than --from {first:g}")
    _check_report(said["report"])
    steps = Steps(first, said["factor"], said["step_s"], said["within_s"], most_rate, said["refine"])
    found = run(measure(_plan(said, traced=0.0), steps, _command(context)))
    files = _write(said["report"], "capacity", found, page.of_capacity(found))
    _tell(found, output, lambda: printing.print_capacity(found, files))
    if found.verdict is None or found.verdict.collapsed:
        raise SystemExit(1)


@load.command("compare")
@click.argument("before", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("after", type=click.Path(path_type=Path, dir_okay=False))
@output_option
def compare_(before: Path, after: Path, output: str) -> None:
    """Compare the JSON reports of two runs.

    Ratios of their figures, and which of them are more than noise.

    Ends with 1 when something became worse by more than noise, with 2 for files that are no reports.
    """
    from delinkcious.load import printing
    from delinkcious.load.comparing import compare
    from delinkcious.load.report import InvalidReport, read

    try:
        found = compare(read(before), read(after))
    except InvalidReport as error:
        raise click.UsageError(shown(str(error))) from None
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        printing.print_comparison(found)
    if found.worse:
        raise SystemExit(1)


def _check_installed() -> None:
    if not all(map(importlib.util.find_spec, NEEDED)):
        raise Failed(HOW_TO_GET)


def _check_report(base: Path | None) -> None:
    """Before anything is sent: a run whose report cannot be written would be for nothing."""
    folder = Path(base or ".").parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise click.UsageError(f"--report: nothing can be written to {folder}")


def _plan(said: Mapping[str, Any], *, traced: float | None) -> Plan:
    """What is common to both commands; raises UsageError for a mix or a target that is none."""
    from delinkcious.load import target
    from delinkcious.load.driving import Plan
    from loadtest.mix import OWN, InvalidMix, load_mix

    file = said["mix"] or OWN
    try:
        mix = load_mix(file)
    except InvalidMix as error:
        raise click.UsageError(shown(str(error))) from None
    found = target.find(said["server"], said["state"], said["jaeger"], owned=said["owned"])
    share = traced if traced is not None else float(bool(found.jaeger and found.source))
    if share and not found.source:
        raise click.UsageError(
            "--traced is for an installation of this machine: elsewhere nobody may force a trace"
        )
    return Plan(found, mix, file, said["accounts"], said["seed"], share)


def _command(context: click.Context) -> str:
    """As it was typed, so that it can be typed again."""
    words = [context.command_path]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if context.get_parameter_source(parameter.name or "") != click.core.ParameterSource.COMMANDLINE:
            continue
        words += (
            [parameter.opts[-1]]
            if value is True
            else [parameter.opts[-1], shlex.quote(f"{value:g}" if isinstance(value, float) else f"{value}")]
        )
    return " ".join(words)


def _write(named: Path | None, kind: str, found: Run | Capacity, html: str) -> list[Path]:
    """The two files of a report."""
    base = named or Path(f"{kind}-{found.began_at:%Y%m%d-%H%M%S}")
    if base.suffix in (".html", ".json"):
        base = base.with_suffix("")
    page, numbers = base.with_name(f"{base.name}.html"), base.with_name(f"{base.name}.json")
    page.write_text(html)
    numbers.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return [page, numbers]


def _tell(found: Run | Capacity, output: str, show: Callable[[], None]) -> None:
    """Print it; what was interrupted ends the command here."""
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        show()
    if found.interrupted:
        raise SystemExit(INTERRUPTED)

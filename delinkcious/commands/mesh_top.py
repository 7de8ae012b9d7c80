"""`delinkcious mesh top`: what each version of each service gets and how it answers, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import click
import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from delinkcious.asking import output_option
from delinkcious.commands.mesh_options import meant, namespace_option, state_option
from delinkcious.terminal import console, shown
from mesh.console.metrics.scraping import Scraper
from mesh.console.topology.standing import Standing, standings
from mesh.console.topology.state import Topology
from mesh.local.runtime.client import Client

# So many sidecars are read at once, however many there are.
AT_ONCE = 16
# Envoy puts durations into its histograms every five seconds.
ONE_LOOK_S = 6.0
# Under the width of what is counted (`mesh.console.metrics.window`), so that a look finds the one before.
LONGEST_INTERVAL_S = 8.0
EVERY_S = 1.0
NOTHING_COUNTED = "No request was counted: only what a pod or a gateway sends is."
BY_ENVOY = (
    "{whose} sidecars make none of Istio's metrics: these are Envoy's own numbers.\n"
    "MTLS% is of connections, P50 and P99 are of what leads to one version only,\n"
    "and answers of injected faults are not counted."
)


@click.command()
@click.option("--once", is_flag=True, help="Watch for one interval, print one table and end.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.2, LONGEST_INTERVAL_S),
    help=f"Seconds between two looks [default: {EVERY_S:g}; with --once {ONE_LOOK_S:g}]",
)
@output_option
@namespace_option
@state_option
def top(once: bool, interval_s: float | None, output: str, namespace: str | None, state: Path | None) -> None:
    """Show requests a second, errors, durations, mutual TLS and weights of every service; Ctrl-C ends it.

    Numbers are those of the last ten seconds, as the sidecars of who asks count them: by Istio's metrics
    where they make some, else by what every Envoy counts. -o json prints one list a look.
    """
    client = Client(meant(state))
    client.get("/topology")  # without a mesh the error comes before the screen
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            _follow(
                client,
                once=once,
                interval_s=interval_s or (ONE_LOOK_S if once else EVERY_S),
                output=output,
                namespace=namespace,
            )
        )


async def _follow(
    client: Client, *, once: bool, interval_s: float, output: str, namespace: str | None
) -> None:
    screen = console()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        scraper = Scraper(session)
        await _look(client, scraper)
        await asyncio.sleep(interval_s)
        if once or output == "json" or not screen.is_terminal:
            while True:
                found = _of(await _look(client, scraper), namespace)
                if output == "json":
                    click.echo(json.dumps(msgspec.to_builtins(found)))
                else:
                    screen.print(picture(found))
                if once:
                    return
                await asyncio.sleep(interval_s)
        with Live(console=screen, auto_refresh=False, transient=False) as live:
            while True:
                live.update(picture(_of(await _look(client, scraper), namespace)), refresh=True)
                await asyncio.sleep(interval_s)


async def _look(client: Client, scraper: Scraper) -> list[Standing]:
    """Ask the mesh who is there, and every sidecar what it has counted."""
    told = await asyncio.to_thread(client.get, "/topology")
    topology = msgspec.convert(told, Topology)
    await scraper.scrape(topology.pods)
    return standings(topology, scraper.traffic())


def _of(found: Sequence[Standing], namespace: str | None) -> list[Standing]:
    return [one for one in found if namespace in (None, one.namespace)]


def picture(found: Sequence[Standing]) -> RenderableType:
    """The table, at 80 columns too."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name, widest in (("SERVICE", 28), ("VERSION", 14)):
        # Names give way to numbers: what may wrap, rich narrows first, and a name has no place to wrap.
        table.add_column(name, overflow="ellipsis", min_width=7, max_width=widest)
    for name in ("PODS", "REQ/S", "ERR%", "P50", "P99", "MTLS%", "WANT%", "GETS%"):
        table.add_column(name, no_wrap=True, justify="right", min_width=len(name))
    service = ""
    for one in found:
        name = f"{one.namespace}/{one.service}"
        style = "red" if one.errors or one.ready < one.total else ""
        table.add_row("" if name == service else shown(name), *_cells(one), style=style)
        service = name
    return Group(table, Text(f"\n{note}")) if (note := _note(found)) else table


def _note(found: Sequence[Standing]) -> str:
    """What is to be known of where the numbers come from, if they are not Istio's metrics."""
    busy = [one for one in found if one.rate]
    if not busy:
        return NOTHING_COUNTED
    by_envoy = [one for one in busy if "envoy" in one.counted_by]
    if not by_envoy:
        return ""
    names = dict.fromkeys(f"{one.namespace}/{one.service}" for one in by_envoy)
    whose = "The" if len(by_envoy) == len(busy) else f"To {', '.join(map(shown, names))}: the clients'"
    return BY_ENVOY.format(whose=whose)


def _cells(one: Standing) -> tuple[str, ...]:
    return (
        shown(one.version),
        f"{one.ready}/{one.total}",
        f"{one.rate:.1f}" if one.rate else "-",
        _percent(one.errors, 1),
        _ms(one.p50_ms),
        _ms(one.p99_ms),
        _percent(one.mutual_tls, 0),
        "/".join(f"{percent:.3g}" for percent in one.declared) or "-",
        _percent(one.observed, 0),
    )


def _percent(share: float | None, digits: int) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f}"


def _ms(value: float | None) -> str:
    """Milliseconds; seconds from ten thousand of them on."""
    if value is None:
        return "-"
    if value >= 10_000:
        return f"{value / 1000:.0f}s"
    return f"{value:.0f}ms" if value >= 10 else f"{value:.1f}ms"

"""`delinkcious canary`: take a new version on by evidence, and see how that goes."""

from __future__ import annotations

import click

from delinkcious.commands import canary_change, canary_show


@click.group()
def canary() -> None:
    """Roll a new version out step by step, by evidence; watch it, and see why it ended so."""


for verb in (
    canary_change.start,
    canary_show.status,
    canary_show.watch,
    canary_show.history,
    canary_show.explain,
    canary_show.replay,
    canary_change.approve,
    canary_change.pause,
    canary_change.resume,
    canary_change.abort,
    canary_change.promote,
):
    canary.add_command(verb)

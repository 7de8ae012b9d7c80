"""One run on a terminal of any width (pure): shares, both versions, the evidence, what it waits for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from textwrap import wrap

from rich.console import Group
from rich.text import Text

from delinkcious.canary.listing import STYLES
from delinkcious.terminal import shown
from mesh.canary.engine import HOLD_WEALTH
from mesh.canary.model import PodSample
from mesh.canary.views import words
from mesh.canary.views.parts import Step
from mesh.canary.views.story import Story
from mesh.canary.views.waiting import silence, standing, waiting

# The plot of the evidence begins at a tenth and ends ten times above the rollback: so many decades. Each has
# two lines where there is room.
LOWEST = -1
AXIS, NAMES = 7, 14
NAMED_COLUMNS = 60
EVENTS, LEAST_EVENTS = 6, 2
LEAST_COLUMNS, TALL_LINES = 20, 32


def screen(
    told: Story, now: float, width: int, height: int = TALL_LINES, beside: Sequence[str] = ()
) -> Group:
    """What there is to see at the moment `now` of a run, in so many columns and about so many lines.

    `beside` is what the journal does not say.
    """
    width = max(LEAST_COLUMNS, width)
    parts = [
        _head(told, now),
        _state(told, now),
        *(Text(shown(sentence), "red") for sentence in beside),
        Text(),
        *_traffic(told, width),
        Text(),
        *_arms(told),
        Text(),
        *_evidence(told, width, density=2 if height >= TALL_LINES else 1),
        Text(),
    ]
    room = height - 1 - sum(_lines(part, width) for part in parts)
    events = list(islice(_events(told), EVENTS))
    while len(events) > LEAST_EVENTS and sum(_lines(event, width) for event in events) > room:
        events.pop()
    return Group(*parts, *reversed(events))


def _head(told: Story, now: float) -> Text:
    until = told.last_at if told.ended else max(now, told.last_at)
    return Text.assemble(
        (f"{told.service} {told.canary}", "bold"),
        f" beside {told.stable} · {words.took(until - told.began.at)} · {shown(told.name)}",
        (" · dry run", "bold yellow") if told.spec.dry_run else "",
    )


def _state(told: Story, now: float) -> Text:
    if told.ended and told.verdict is not None:
        verdict, said = words.VERDICTS[told.verdict], words.ended(told.verdict, told.reason)
        style = f"bold {STYLES[words.TONES[told.verdict]]}"
        return Text.assemble((verdict, style), shown(said.removeprefix(verdict)))
    if quiet := silence(told, now):
        return Text(shown(quiet), "red")
    waits = waiting(told, now)
    style = "yellow" if told.paused or told.closed or told.failed else ""
    made = Text(shown(standing(told)), "bold yellow" if told.paused else "bold")
    return Text.assemble(made, "\nwaits for " if waits else "", (shown("; ".join(waits)), style))


def _traffic(told: Story, width: int) -> Iterator[Text]:
    room = max(8, width - 24)
    filled = round(room * told.percent / 100) or int(told.percent > 0)
    traffic = told.traffic
    header = " + header" if traffic is not None and traffic.header else ""
    header += " + copies" if traffic is not None and traffic.mirror else ""
    yield Text.assemble(
        "share     ", ("█" * filled, "cyan"), ("░" * (room - filled), "dim"), f" {told.percent} %{header}"
    )
    if told.spec.strategy == "blueGreen" and not told.spec.dry_run:
        yield Text.assemble("steps     ", ("none: all requests at once, when copies have proven it", "dim"))
        return
    if not told.ladder.steps:
        yield Text.assemble("steps     ", (f"known once {told.stable} is learned", "dim"))
        return
    steps = [*told.ladder.steps, 100.0]
    made = Text("steps     ")
    for number, step in enumerate(steps):
        style = "bold reverse" if step == told.percent else "" if step < told.percent else "dim"
        made.append(" > " if number else "", "dim")
        made.append(f"{step:g}", style)
    yield made


def _arms(told: Story) -> Iterator[Text]:
    step = told.shares[-1] if told.shares else None
    if step is not None and step.mirror:
        yield from _copies(told, step)
        return
    stable, canary = told.totals
    for name, whole, now in (
        (told.stable, stable, step.stable if step else PodSample(0, 0)),
        (told.canary, canary, step.canary if step else PodSample(0, 0)),
    ):
        errors = words.counted(whole.errors, "error")
        worse = name == told.canary and whole.errors * stable.requests > stable.errors * whole.requests
        style = "red" if worse else ""
        here = f"; in this step: {words.counted(now.errors, 'error')} of {words.count(now.requests)}"
        yield Text.assemble(
            (f"{name[:9]:<10}", "bold"),
            f"{words.counted(whole.requests, 'request')}, ",
            (f"{errors} ({words.rate(whole)})", style),
            ("" if told.ended else here, "dim"),
        )


def _copies(told: Story, step: Step) -> Iterator[Text]:
    """What is compared while the canary gets copies."""
    both = ((told.stable, step.stable, "GET requests"), (told.canary, step.canary, "copies"))
    for name, seen, what in both:
        errors = f"{words.counted(seen.errors, 'error')} ({words.rate(seen)})"
        worse = seen.errors * step.stable.requests > step.stable.errors * seen.requests
        yield Text.assemble(
            (f"{name[:9]:<10}", "bold"),
            f"{words.count(seen.requests)} {what}, ",
            (errors, "red" if worse and name == told.canary else ""),
        )


def _evidence(told: Story, width: int, density: int) -> Iterator[Text]:
    points = [point for point in told.points if point.decided]
    now = points[-1].wealth if points else 1.0
    style = "red" if now >= told.rollback_at else "yellow" if now >= HOLD_WEALTH else "green"
    yield Text.assemble(
        "evidence  ",
        (words.wealth(now), style),
        f" against {told.canary}: held at {HOLD_WEALTH:g}, rolled back at {words.wealth(told.rollback_at)}",
    )
    names = NAMES if width >= NAMED_COLUMNS else 0
    values, columns = [point.wealth for point in points], width - AXIS - names
    yield from _plot(values, told.rollback_at, columns, density, named=bool(names))
    if points:
        yield Text(f"excess    {words.excess(points[-1].excess)}")
    if told.margin is not None and not told.ended:
        last = told.ladder.steps[-1:] == (told.percent,)
        then = "before it is promoted" if last else "before the next step"
        yield Text(f"to prove  not {words.points(told.margin)} or more, {then}")


def _plot(
    values: Sequence[float], rollback_at: float, columns: int, density: int, *, named: bool
) -> Iterator[Text]:
    """Dots at the logarithms of the values, lines where the weight is held and where it is rolled back."""
    columns, highest = max(4, columns), math.ceil(math.log10(rollback_at)) + 1

    def row_of(value: float) -> int:
        exponent = math.log10(value) if value > 0 else LOWEST
        return round(density * min(max(exponent, LOWEST), highest))

    seen = binned(values, columns)
    heights = [row_of(seen[column * len(seen) // columns]) for column in range(columns) if seen]
    lines = {row_of(HOLD_WEALTH): ("held", "yellow"), row_of(rollback_at): ("rolled back", "red")}
    for row in range(density * highest, density * LOWEST - 1, -1):
        name, style = lines.get(row, ("", ""))
        label = f"{10 ** (row // density):g}" if row % density == 0 else ""
        yield _plotted(label, [height == row for height in heights] or [False] * columns, name, style, named)


def _plotted(label: str, dots: Sequence[bool], name: str, style: str, named: bool) -> Text:
    made = Text.assemble((f"{label:>{AXIS - 2}} {'┤' if label else '│'}", "dim"))
    for dot, group in groupby(dots):
        length = len(list(group))
        made.append(("●" if dot else "╌" if name else " ") * length, "" if dot else style)
    made.append(f" {name}" if named and name else "", style)
    return made


def binned(values: Sequence[float], columns: int) -> list[float]:
    """At most so many values, the highest of each group."""
    size = max(1, math.ceil(len(values) / columns))
    return [max(values[start : start + size]) for start in range(0, len(values), size)]


def _events(told: Story) -> Iterator[Text]:
    """The newest first."""
    for note in reversed(told.notes):
        yield Text.assemble((f"{words.clock(note.at)}  ", "dim"), (shown(note.text), STYLES[note.tone]))


def _lines(text: Text, width: int) -> int:
    """As many as it is broken into."""
    return sum(max(1, len(wrap(line, width))) for line in text.plain.split("\n"))

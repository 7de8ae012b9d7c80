"""A run watched as it goes: a picture on a terminal, lines elsewhere, the events themselves for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from delinkcious.canary.beside import Beside, kind
from delinkcious.canary.drawing import screen
from delinkcious.terminal import shown
from mesh.canary.runs.journal import Verdict
from mesh.canary.views import words
from mesh.canary.views.explaining import paragraphs
from mesh.canary.views.following import Follower, NotAJournal
from mesh.canary.views.story import Story
from mesh.local.runtime.state import State

LOOK_EVERY_S = 0.4
# A run that was begun a moment ago may have no journal yet.
APPEARS_WITHIN_S = 5.0
EXIT_CODES: dict[Verdict, int] = {"promoted": 0, "rolled_back": 1, "aborted": 1, "inconclusive": 3}

Print = Callable[[str], None]


def found(find: Callable[[], Path], missing: type[Exception]) -> Path:
    """What `find` finds, as soon as it does. Raises `missing` when that takes too long."""
    deadline = time.monotonic() + APPEARS_WITHIN_S
    while True:
        try:
            return find()
        except missing:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_EVERY_S)


def watch(path: Path, output: str, console: Console, mesh: State | None = None) -> int:
    """Show the run until it ends; the exit code of its end. Raises NotAJournal, OSError.

    `mesh` is asked for what the journal does not say, when the run takes place in it.
    """
    follower, beside = Follower(path), Beside(path, mesh)
    if output == "json":
        return _code(_events(follower, lambda line: click.echo(line)))
    if console.is_terminal:
        return _code(_picture(follower, console, beside))
    return _code(_lines(follower, lambda line: click.echo(line), beside))


def _looks(follower: Follower) -> Iterator[list[bytes]]:
    """What each look brings, until the run has ended."""
    while True:
        yield follower.look()
        if follower.story is not None and follower.story.ended:
            return
        time.sleep(LOOK_EVERY_S)


def _events(follower: Follower, echo: Print) -> Story:
    for lines in _looks(follower):
        for line in lines:
            echo(line.decode().rstrip("\n"))
    return _ended(follower)


def _lines(follower: Follower, echo: Print, beside: Beside) -> Story:
    """A line for each change."""
    said, told, known = 0, None, set[str]()
    for _ in _looks(follower):
        if follower.story is not told:  # the file was cut off behind what was read: it is told anew
            said, told = 0, follower.story
        if told is not None:
            for note in told.notes[said:]:
                echo(f"{words.clock(note.at)}  {shown(note.text)}")
            said = len(told.notes)
            found = beside(told)
            for sentence in found:
                if kind(sentence) not in known:
                    echo(f"{words.clock(time.time())}  {shown(sentence)}")
            known = {kind(sentence) for sentence in found}
    told = _ended(follower)
    echo(shown(paragraphs(told)[0]))
    return told


def _picture(follower: Follower, console: Console, beside: Beside) -> Story:
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for _ in _looks(follower):
            if (told := follower.story) is not None:
                drawn = screen(told, time.time(), console.width, console.height, beside(told))
                live.update(drawn, refresh=True)
    told = _ended(follower)
    console.print()
    console.print(shown(paragraphs(told)[0]), markup=False, highlight=False)
    return told


def _ended(follower: Follower) -> Story:
    if follower.story is None:
        raise NotAJournal(f"{follower.path} has no event any more")
    return follower.story


def _code(told: Story) -> int:
    return EXIT_CODES[told.verdict] if told.verdict is not None else 1

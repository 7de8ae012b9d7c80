"""How the command line shows what was found."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from rich.console import Console

from delinkcious import terminal
from delinkcious.commands.search import table_of
from services.links.domain import Link
from services.links.search.highlight import Highlights
from services.links.search.results import Hit

ADDRESS = "https://www.example.org/" + "a-long-way/" * 12
NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
LINK = Link(1, 1, ADDRESS, "Several words", "", ["one"], False, False, "unknown", "", None, None, NOW, NOW, 1)


def lines_of(console: Console, link: Link) -> list[str]:
    with console.capture() as captured:
        console.print(table_of([Hit(link, None, Highlights([], [], [], []))]))
    return captured.get().splitlines()


def test_a_narrow_terminal_cuts_no_address() -> None:
    console = Console(width=80)
    head, *lines = lines_of(console, LINK)
    begin, end = head.index("address"), head.index("tags")
    assert "".join(line[begin:end].strip() for line in lines) == ADDRESS
    assert "2026-01-02" in lines[0]


def test_a_program_gets_a_line_for_each_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, *lines = lines_of(terminal.console(), LINK)
    (line,) = lines
    assert line.split() == ["Several", "words", ADDRESS, "one", "2026-01-02"]


def test_a_link_without_a_title_shows_its_address_instead() -> None:
    untitled = msgspec.structs.replace(LINK, title="", url="https://example.org/")
    _, line = lines_of(Console(width=160), untitled)
    assert line.split() == ["https://example.org/", "https://example.org/", "one", "2026-01-02"]

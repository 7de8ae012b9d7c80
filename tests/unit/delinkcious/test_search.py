"""How the command line shows what was found."""

from __future__ import annotations

import datetime as dt

from rich.console import Console

from delinkcious.commands.search import table_of
from services.links.domain import Link
from services.links.search.highlight import Highlights
from services.links.search.results import Hit

ADDRESS = "https://www.example.org/" + "a-long-way/" * 12
NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
LINK = Link(1, 1, ADDRESS, "Several words", "", ["one"], False, False, "unknown", "", None, None, NOW, NOW, 1)


def test_a_narrow_terminal_cuts_no_address() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(table_of([Hit(LINK, None, Highlights([], [], [], []))]))
    head, *lines = captured.get().splitlines()
    begin, end = head.index("address"), head.index("tags")
    assert "".join(line[begin:end].strip() for line in lines) == ADDRESS
    assert "2026-01-02" in lines[0]

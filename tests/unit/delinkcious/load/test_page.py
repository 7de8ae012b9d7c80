"""The report as a page: whole without anything fetched, safe with any name, true to its numbers."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from delinkcious.load import page, report
from delinkcious.load.capacity import METHOD, Capacity
from delinkcious.load.knee import Point, judge
from delinkcious.load.report import InvalidReport
from delinkcious.load.slow import Slow
from loadtest.mix import load_mix
from loadtest.tally import Row, Tally
from tests.unit.delinkcious.load.example import TRACE, figures, run

FETCHING = re.compile(r"""<(script|img|link|iframe|object)\b|@import|url\(|\bsrc=|xlink:href""")


class Reader(HTMLParser):
    """Which addresses a page has, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attributes if name == "href"]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def a_curve(*, points: bool = True) -> Capacity:
    steps = [
        Point(rate, rate, min(rate, 300.0), 5.0, 20.0, 0, {}) for rate in (50.0, 100, 200, 300, 400, 600)
    ]
    return Capacity(
        script="delinkcious load capacity",
        began_at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        interrupted=not points,
        target="https://127.0.0.1:8443",
        mix=load_mix(),
        seed=1,
        step_s=10.0,
        within_s=1.0,
        sampling="No trace was forced.",
        commit="abc1234",
        machine=run().machine,
        method=METHOD,
        points=steps if points else [],
        verdict=judge(steps) if points else None,
        processes=[],
    )


@pytest.mark.parametrize("text", [page.of_run(run()), page.of_capacity(a_curve())], ids=["run", "capacity"])
def test_a_page_fetches_nothing_and_is_closed(text: str) -> None:
    assert not FETCHING.search(text)
    reader = Reader(text)
    assert reader.open == []
    assert all(link.startswith("http://127.0.0.1:7070/traces/") for link in reader.links)
    assert text.count("<svg") >= 2
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_a_slow_request_links_to_its_trace_and_says_what_it_waited_for() -> None:
    text = page.of_run(run())
    assert f'href="http://127.0.0.1:7070/traces/{TRACE}"' in text
    assert "61 ms of 80 ms waited for SELECT links in links" in text
    assert "No trace: it was not sampled." in text


def test_names_are_text_and_no_markup() -> None:
    bad = "<script>alert(1)</script>"
    slow = Slow(bad, bad, 1.0, 80.0, 0.0, bad, TRACE, [], bad, "", True)
    text = page.of_run(run(slowest=[slow], requests={bad: run().total}, target=bad))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_run_in_which_nothing_was_answered_is_told() -> None:
    nothing = msgspec.structs.replace(
        figures(run().total.blocks, failed=1_000), mean_ms=None, p50_ms=None, p90_ms=None, p99_ms=None
    )
    text = page.of_run(
        run(total=nothing, slowest=[], processes=[], journeys={}, requests={}, interrupted=True)
    )
    assert "1000 of 1000 failed" in text
    assert "Interrupted after 60 s" in text


def test_the_knee_and_what_is_past_it_are_said() -> None:
    text = page.of_capacity(a_curve())
    assert "The knee: 300 a second offered" in text
    assert "throughput does not collapse" in text


def test_a_curve_without_a_step_is_a_page_too() -> None:
    assert "Interrupted: these are the steps that were done." in page.of_capacity(a_curve(points=False))


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(msgspec.json.encode(run()))
    assert report.read(file) == run()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", msgspec.json.encode(a_curve())])
def test_what_is_no_report_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    with pytest.raises(InvalidReport, match=re.escape(str(file))):
        report.read(file)


def test_figures_are_the_tallys() -> None:
    tally = Tally(0.0, 2.0)
    for block in range(3):
        tally.blocks[block] = {("reader", "list links"): Row({"200": 4, "503": 1}, {500: 4}, 4, 0.1)}
    found = report.figures(tally, 6.0, name="list links")
    assert (found.count, found.succeeded, found.failed, found.errors) == (15, 12, 3, {"503": 3})
    assert found.rate == 2.0
    assert [(block.rate, block.failed) for block in found.blocks] == [(2.0, 1)] * 3

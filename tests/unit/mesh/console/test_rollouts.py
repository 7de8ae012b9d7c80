"""Rollouts on the console: plots whose lines are where the numbers are, read from files that others write."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from mesh.canary.runs.journal import Commanded, Gated, Scraped
from mesh.canary.views.story import begin, story
from mesh.console.errors import NotThere, Unshown
from mesh.console.rollouts import plots
from mesh.console.rollouts.looking import Rollouts
from tests.unit.mesh.canary.runs import journals

pytestmark = pytest.mark.anyio


def corners(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (part.split() for part in path.strip("MZ").split("L"))]


def test_the_evidence_has_a_logarithmic_axis() -> None:
    told = story(journals.events("rolled_back"))
    evidence = next(plot for plot in plots.plots(told) if plot.title == "Evidence against v2")
    heights = [tick.at for tick in evidence.up]
    assert [tick.label for tick in evidence.up] == ["0.01", "0.1", "1", "10", "100", "1000"]
    assert len({round(low - high, 6) for low, high in pairwise(heights)}) == 1
    held, rolled_back = evidence.limits
    assert (held.at, rolled_back.at) == (heights[3], heights[4])
    drawn = corners(evidence.lines[0].path)
    assert len(drawn) == 4
    assert drawn[-1][1] < rolled_back.at < drawn[-2][1]


@pytest.mark.parametrize("wealth", [5e6, 3e-5, 1e200, 1e-300])
def test_the_evidence_s_axis_reaches_the_last_value(wealth: float) -> None:
    happened = journals.events("running")
    last = [event for event in happened if isinstance(event, Scraped)][-1]
    told = story(happened)
    told.take(structs.replace(last, at=told.last_at + 15, decision=replace(last.decision, wealth=wealth)))
    evidence = next(plot for plot in plots.plots(told) if plot.title == "Evidence against v2")
    drawn = corners(evidence.lines[0].path)
    assert plots.TOP <= drawn[-1][1] <= plots.BOTTOM
    assert (drawn[-1][1] < evidence.limits[1].at) == (wealth > 100)
    assert 3 <= len(evidence.up) <= plots.MOST_DECADES + 1


def test_an_excess_that_is_not_known_is_not_drawn() -> None:
    happened = journals.events("rolled_back")
    first = next(number for number, event in enumerate(happened) if isinstance(event, Scraped))
    seen = happened[first]
    assert isinstance(seen, Scraped)
    unknown = structs.replace(seen, decision=replace(seen.decision, excess=(0.0, 1.0)))
    told = story([*happened[:first], unknown])
    excess = next(plot for plot in plots.plots(told) if plot.title.startswith("Excess"))
    assert (excess.lines, excess.area, excess.limits) == ((), "", ())
    assert "not known yet" in excess.said
    told.take(structs.replace(seen, at=seen.at + 15, decision=replace(seen.decision, excess=(0.0, 0.2))))
    excess = next(plot for plot in plots.plots(told) if plot.title.startswith("Excess"))
    assert len(corners(excess.lines[0].path.replace("h0", ""))) == 1


@pytest.mark.parametrize("name", journals.SCRIPTS)
def test_nothing_is_drawn_outside_at_any_moment(name: str) -> None:
    first, *others = journals.events(name)
    told = begin(first)
    for event in others:
        told.take(event)
        for plot in plots.plots(told):
            for line in plot.lines:
                for x, y in corners(line.path.replace("h0", "")) if line.path else ():
                    assert plots.LEFT <= x <= plots.RIGHT
                    assert plots.TOP <= y <= plots.BOTTOM
            for tick in (*plot.up, *plot.across):
                assert 0 <= tick.at <= plots.WIDTH
            assert len(plot.across) <= plots.MOST_TICKS
            assert plot.said


def test_the_share_is_drawn_as_steps() -> None:
    told = story(journals.events("promoted"))
    drawn = corners(plots.plots(told)[0].lines[0].path)
    heights = [y for _, y in drawn]
    assert heights == sorted(heights, reverse=True)
    assert all(one[0] == other[0] or one[1] == other[1] for one, other in pairwise(drawn))
    assert heights[-1] == plots.TOP


async def test_runs_that_ended_are_read_once(tmp_path: Path) -> None:
    rollouts = Rollouts(tmp_path)
    assert "There was no rollout yet" in await rollouts.runs()
    ended = journals.write(tmp_path / "canary", "promoted", "20261126-120000-0a1b")
    journals.write(tmp_path / "canary", "running", "20261126-120100-0a1b")
    first = await rollouts.runs()
    assert "1 rollout going on: links" in first
    ended.write_bytes(b"")
    assert "9,461" in await rollouts.runs()


def place(state: Path) -> Path:
    """Where a state folder has a run's journal."""
    path = state / "canary" / "delinkcious" / "links" / f"{journals.RUN}.jsonl"
    path.parent.mkdir(parents=True)
    return path


async def test_a_pause_a_gate_and_a_dry_run_are_seen(tmp_path: Path) -> None:
    first, *others = journals.events("running")
    pause = Commanded(at=others[-1].at, number=1, verb="pause", by="ada")
    rollouts = Rollouts(tmp_path / "paused")
    journals.written(place(tmp_path / "paused"), [journals.dry(first), *others, pause])
    shown = await rollouts.run(journals.RUN)
    assert '<span class="badge poor">paused, dry run</span>' in shown
    assert "(a dry run: nothing is changed)" in shown
    assert "<dd>on its way up</dd>" in shown
    assert "paused, dry run" in await rollouts.runs()
    gated = journals.events("gated")
    held = next(number for number, event in enumerate(gated) if isinstance(event, Gated))
    journals.written(place(tmp_path / "gated"), gated[: held + 1])
    shown = await Rollouts(tmp_path / "gated").run(journals.RUN)
    assert "<code>delinkcious canary approve links lunch</code> opens it" in shown


async def test_a_run_that_is_none_or_unreadable_is_a_sentence(tmp_path: Path) -> None:
    rollouts = Rollouts(tmp_path)
    with pytest.raises(NotThere, match="There is no run links"):
        await rollouts.run("links")
    journals.write(tmp_path / "canary", "promoted").write_bytes(b"\xff\x00\n")
    with pytest.raises(Unshown, match="cannot be read"):
        await rollouts.run(journals.RUN)


def test_a_console_at_which_nobody_looks_loads_no_numpy() -> None:
    code = "import sys, mesh.console.app; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

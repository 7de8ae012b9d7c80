"""What `delinkcious canary` prints of runs: for people, for programs, on any width, until the end."""

from __future__ import annotations

import io
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec import structs
from rich.console import Console

from delinkcious.__main__ import main
from delinkcious.canary import listing, watching
from delinkcious.canary.drawing import binned, screen
from mesh.canary.runs.journal import Commanded, Event, Journal
from mesh.canary.views.story import begin, story
from mesh.canary.views.summary import Summary
from tests.unit.mesh.canary.runs import journals

EVIL = "\x1b[2J\u202eada\x07[red]"
RUNS = {name: f"20261126-12{number:02d}00-0a1b" for number, name in enumerate(journals.SCRIPTS)}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name, run in RUNS.items():
        journals.write(tmp_path / "canary", name, run)
    return tmp_path


def call(state: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["canary", *words, "--state", str(state)])


def test_history_has_every_run(state: Path) -> None:
    done = call(state, "history")
    assert done.exit_code == 0
    rows = done.stdout.splitlines()
    heads = ("run", "service", "began", "took", "verdict", "requests", "errors", "harmed", "why")
    assert tuple(rows[0].split()) == heads
    assert [row.split()[0] for row in rows[1:]] == list(RUNS.values())
    assert "rolled back        125       7       7  the canary is worse than stable: errors" in rows[2]
    found = json.loads(call(state, "history", "links", "-n", "3", "-o", "json").stdout)
    assert [row["run"] for row in found] == list(RUNS.values())[-3:]
    assert found[0]["canary"] == {"version": "v2", "requests": 9348, "errors": 9}


def test_history_of_nothing_says_how_to_begin(tmp_path: Path) -> None:
    assert "`delinkcious canary start`" in call(tmp_path, "history").stdout
    assert json.loads(call(tmp_path, "history", "-o", "json").stdout) == []
    assert call(tmp_path, "history", "../*").exit_code == 1


def test_a_damaged_journal_hides_no_other(state: Path) -> None:
    (state / "canary" / "delinkcious" / "links" / f"{RUNS['promoted']}.jsonl").write_bytes(b"\x00\n")
    done = call(state, "history")
    assert done.exit_code == 0
    assert "unreadable" in done.stdout.splitlines()[1]
    assert len(json.loads(call(state, "history", "-o", "json").stdout)) == len(RUNS)


def test_status_is_of_all_that_go_on_or_of_one(state: Path) -> None:
    done = call(state, "status")
    assert [row.split()[0] for row in done.stdout.splitlines()[1:]] == [RUNS["overwritten"], RUNS["running"]]
    one = call(state, "status", RUNS["rolled_back"])
    assert "rolled back: the canary is worse than stable: errors" in one.stdout
    told = json.loads(call(state, "status", RUNS["running"], "-o", "json").stdout)
    assert (told["stage"], told["verdict"], told["percent"]) == ("stepping", None, 10)


@pytest.mark.parametrize(
    ("name", "code"), [("promoted", 0), ("rolled_back", 1), ("aborted", 1), ("inconclusive", 3), ("gated", 0)]
)
def test_watching_ends_with_the_run_and_its_code(state: Path, name: str, code: int) -> None:
    done = call(state, "watch", RUNS[name])
    assert done.exit_code == code
    lines = done.stdout.splitlines()
    assert lines[0] == "12:00:00  ada begins: v2 beside v1, which has 10 pods"
    assert "links v2" in lines[-1]


def test_for_programs_the_events_are_printed_as_they_are(state: Path) -> None:
    path = state / "canary" / "delinkcious" / "links" / f"{RUNS['gated']}.jsonl"
    assert call(state, "watch", RUNS["gated"], "-o", "json").stdout == path.read_text()


def test_a_run_is_watched_while_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / f"{journals.RUN}.jsonl"
    happened = journals.events("rolled_back")
    journal = Journal(path)
    journal.append(happened[0])
    out, codes = io.StringIO(), list[int]()
    console = Console(file=out, width=80, height=50, force_terminal=True)
    thread = threading.Thread(target=lambda: codes.append(watching.watch(path, "text", console)))
    thread.start()
    deadline = time.monotonic() + 30
    while "preparing" not in out.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for event in happened[1:]:
        journal.append(event)
    journal.close()
    thread.join(30)
    assert codes == [1]
    assert "rolled back" in out.getvalue()


def test_a_journal_may_appear_a_moment_later(tmp_path: Path) -> None:
    timer = threading.Timer(0.5, lambda: journals.write(tmp_path / "canary", "promoted"))
    timer.start()
    assert call(tmp_path, "watch", "links").exit_code == 0
    timer.join()


def test_interrupting_leaves_the_run_alone(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "watch", interrupted)
    done = call(state, "watch", RUNS["running"])
    assert (done.exit_code, done.stderr) == (130, "The run goes on.\n")


def test_explain_and_replay_take_a_file_from_anywhere(tmp_path: Path) -> None:
    path = journals.write(tmp_path, "rolled_back").rename(tmp_path / "from-elsewhere.txt")
    done = CliRunner().invoke(main, ["canary", "explain", str(path)])
    assert done.exit_code == 0
    assert done.stdout.startswith("links v2 was rolled back after 2 min 40 s")
    told = json.loads(CliRunner().invoke(main, ["canary", "explain", str(path), "-o", "json"]).stdout)
    assert len(told["paragraphs"]) > 4
    done = CliRunner().invoke(main, ["canary", "replay", str(path)])
    assert (done.exit_code, done.stdout) == (0, "4 decisions, all identical\n")
    text = path.read_text()
    path.write_text(text.replace('"wealth":5', '"wealth":6', 1))
    done = CliRunner().invoke(main, ["canary", "replay", str(path), "--restart-every", "2"])
    assert done.exit_code == 1
    assert "1 of 4 decisions differ" in done.stdout
    assert "at event 10: wealth is recorded as 6" in done.stdout
    found = json.loads(CliRunner().invoke(main, ["canary", "replay", str(path), "-o", "json"]).stdout)
    assert (found["differing"], found["first"]["event"], found["identical"]) == (1, 10, False)


def test_a_run_is_found_by_how_its_name_begins(state: Path) -> None:
    assert "rolled back: the canary is worse" in call(state, "status", RUNS["rolled_back"][:13]).stdout
    done = call(state, "status", "20261126-12")
    assert done.exit_code == 1
    assert f"the names of {len(RUNS)} runs begin with 20261126-12: {RUNS['promoted']}, " in done.stderr


@pytest.mark.parametrize("verb", ["explain", "replay", "status", "watch"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nosuch", "no run and no service with runs is called 'nosuch'"),
        ("./no/such.jsonl", "there is no file no/such.jsonl"),
        ("/tmp/", "is a folder"),  # noqa: S108
        ("/dev/null", "/dev/null is no regular file"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(
    state: Path, verb: str, name: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "APPEARS_WITHIN_S", 0)
    done = call(state, verb, name)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("width", "height", "most"), [(50, 40, 40), (80, 24, 24), (120, 32, 32)])
@pytest.mark.parametrize("name", journals.SCRIPTS)
def test_a_screen_fits_every_moment_of_a_run(name: str, width: int, height: int, most: int) -> None:
    first, *others = journals.events(name)
    told = begin(first)
    for event in others:
        told.take(event)
        console = Console(file=io.StringIO(), width=width, record=True)
        console.print(screen(told, told.last_at + 1, width, height))
        lines = console.export_text().splitlines()
        assert len(lines) <= most
        assert max(map(len, lines)) <= width


def test_the_plot_shows_the_evidence_where_it_is() -> None:
    told = story(journals.events("rolled_back"))
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(screen(told, told.last_at, 80))
    rows = console.export_text().splitlines()
    [rolled_back] = [row for row in rows if row.startswith("  100 ┤")]
    [held] = [row for row in rows if row.startswith("   10 ┤")]
    [top] = [row for row in rows if row.startswith(" 1000 ┤")]
    assert rolled_back.endswith("rolled back")
    assert held.endswith("held")
    assert top.rstrip().endswith("●")
    assert "566 against v2: held at 10, rolled back at 100" in "\n".join(rows)


def drawn(happened: list[Event]) -> str:
    told = story(happened)
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(screen(told, told.last_at + 1, 100))
    return console.export_text()


def test_steps_are_named_once_they_are_known() -> None:
    happened = journals.events("promoted")
    assert "steps     known once v1 is learned" in drawn(happened[:3])
    assert "steps     1 > " in drawn(happened[:7])


def test_errors_of_a_step_are_told_as_such() -> None:
    assert "in this step: 0 errors of 0" in drawn(journals.events("promoted")[:7])


def test_a_pause_and_a_dry_run_are_seen() -> None:
    happened = journals.events("running")
    pause = Commanded(at=happened[-1].at, number=1, verb="pause", by="ada")
    assert "paused at 10 %\n" in drawn([*happened, pause])
    dry = drawn([journals.dry(happened[0]), *happened[1:]])
    assert "· dry run" in dry.splitlines()[0]


def test_who_aborted_is_said_once() -> None:
    *before, end = journals.events("aborted")
    text = drawn([*before, structs.replace(end, reason="aborted by grace")])
    assert "aborted by grace" in text
    assert "aborted: aborted" not in text


def test_a_list_says_what_is_paused_or_dry(tmp_path: Path) -> None:
    first, *others = journals.events("running")
    pause = Commanded(at=others[-1].at, number=1, verb="pause", by="ada")
    path = journals.written(tmp_path / "x.jsonl", [journals.dry(first), *others, pause])
    [row] = listing.rows([path])
    assert isinstance(row, Summary)
    assert (row.state, row.tone, row.paused) == ("paused, dry run", "poor", "paused by ada")


def test_bins_keep_what_is_highest() -> None:
    assert binned([1, 5, 2, 3, 9, 1, 1], 3) == [5, 9, 1]
    assert binned([], 3) == []


def test_what_others_wrote_moves_no_cursor(tmp_path: Path) -> None:
    script = replace(journals.SCRIPTS["rolled_back"], by=EVIL, changed=(EVIL,))
    path = journals.written(tmp_path / "x.jsonl", list(journals.Writer(script).events()))
    for verb in ("watch", "explain", "status"):
        done = CliRunner().invoke(main, ["canary", verb, str(path)])
        assert "ada\N{REPLACEMENT CHARACTER}[red]" in done.stdout or verb == "status"
        assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)
    narrow = Console(file=io.StringIO(), width=50, record=True)
    narrow.print(listing.table(listing.rows([path]), narrow))
    assert "rolled back after 2 min 40 s" in narrow.export_text()

"""A run as its journal tells it: the same as deciding it anew, whole or read bit by bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from mesh.canary.model import PodSample
from mesh.canary.runs.journal import Began, Commanded, Ended, Event, Gated, Scaled, Scraped, Written
from mesh.canary.runs.rollout import parse
from mesh.canary.runs.run import NotARun, fold
from mesh.canary.views import words
from mesh.canary.views.following import Follower, NotAJournal, read
from mesh.canary.views.story import story
from mesh.canary.views.summary import summary
from mesh.canary.views.waiting import eta_s, silence, standing, waiting
from tests.unit.mesh.canary.runs import journals

# What a run is that is decided anew, and what its story says without deciding.
SAME = ("stage", "why", "decision", "traffic", "paused", "overwritten", "gates", "totals", "pods", "verdict")


@pytest.mark.parametrize("name", journals.SCRIPTS)
def test_a_story_is_the_run_that_is_decided_anew(name: str) -> None:
    happened = journals.events(name)
    run, told = fold(happened), story(happened)
    assert [getattr(told, field) for field in SAME] == [getattr(run, field) for field in SAME]
    assert told.events == len(happened)


@pytest.mark.parametrize("name", journals.SCRIPTS)
def test_a_story_adds_up(name: str) -> None:
    happened = journals.events(name)
    told = story(happened)
    seen = [point.canary for point in told.points]
    assert told.totals[1].requests == sum(sample.requests for sample in seen)
    assert told.totals[1].errors == sum(step.canary.errors for step in told.shares)
    assert [step.percent for step in told.shares] == [e.percent for e in happened if isinstance(e, Written)]
    assert sum(pod.requests for pod in told.every_pod.values()) == told.totals[1].requests
    assert sum(span.lasted(told.last_at) for span in told.stages) == pytest.approx(
        told.last_at - told.began.at
    )


def test_verdicts_are_those_of_the_scripts() -> None:
    ends = {name: story(journals.events(name)).verdict for name in journals.SCRIPTS}
    assert ends == {
        "promoted": "promoted",
        "rolled_back": "rolled_back",
        "inconclusive": "inconclusive",
        "aborted": "aborted",
        "gated": "promoted",
        "overwritten": None,
        "running": None,
    }


@pytest.mark.parametrize("name", ["rolled_back", "gated"])
def test_a_journal_is_read_as_it_grows_and_a_torn_line_waits(name: str, tmp_path: Path) -> None:
    whole = journals.write(tmp_path, name).read_bytes()
    path, follower = tmp_path / "growing.jsonl", Follower(tmp_path / "growing.jsonl")
    lines = 0
    for end in [*range(0, len(whole), 1999), len(whole)]:
        path.write_bytes(whole[:end])
        lines += len(follower.look())
        assert lines == whole[:end].count(b"\n")
    assert follower.story is not None
    assert follower.story.ended
    assert summary(follower.story, 0) == summary(read(path), 0)


def test_an_event_that_was_taken_back_is_forgotten(tmp_path: Path) -> None:
    path = journals.write(tmp_path, "promoted")
    whole = path.read_bytes()
    follower = Follower(path)
    follower.look()
    with path.open("r+b") as file:
        file.truncate(len(whole[: whole[:-1].rindex(b"\n") + 1]))
    follower.look()
    assert follower.story is not None
    assert not follower.story.ended


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it has no event"),
        (b'{"event":"began"', "it has no event"),
        (b"\x7fELF\x00\xff\n", "line 1: JSON is malformed"),
        (b"# Readme\n", "line 1: JSON is malformed"),
        (
            b'{"event":"ended","at":1,"verdict":"promoted","reason":""}\n',
            "line 1: the first event does not begin",
        ),
        (b'{"event":"burned","at":1}\n', "line 1: Invalid value 'burned'"),
    ],
    ids=["empty", "torn", "binary", "text", "headless", "unknown"],
)
def test_what_is_no_journal_is_said_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(NotAJournal, match=sentence) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_second_beginning_is_no_run() -> None:
    first = journals.events("promoted")[0]
    with pytest.raises(NotARun):
        story([first, first])


def test_what_is_waited_for_is_said() -> None:
    told = story(journals.events("overwritten"))
    [wait] = waiting(told, told.last_at)
    assert wait.startswith("a person: the weights were overwritten twice")
    assert eta_s(told, told.last_at) is None
    held = [event for event in journals.events("gated") if not isinstance(event, Ended)]
    told = story(held[:-5])
    assert waiting(told, told.last_at + 29)[0] == (
        "gate lunch for 49 s: `delinkcious canary approve links lunch` opens it"
    )
    told = story(journals.events("promoted")[:2])
    assert waiting(told, told.last_at + 10) == ["its pods (for 10 s of at most 5 min)"]


def with_gate(at: str) -> list[Event]:
    """A run that asks a person before every such move, up to the beginning of its pods."""
    first, *others = journals.events("promoted")
    assert isinstance(first, Began)
    gate = {"type": "manual", "name": "go", "at": at}
    document = msgspec.to_builtins(first.rollout)
    document["spec"]["gates"] = [gate]
    return [structs.replace(first, rollout=parse(document)), *others]


def test_a_closed_start_gate_is_waited_for_without_a_limit() -> None:
    first, *_ = with_gate("start")
    told = story([first, Gated(at=first.at + 1, gate="go", open=False, why="waits for a person")])
    now = first.at + 721
    assert waiting(told, now) == ["gate go for 12 min: `delinkcious canary approve links go` opens it"]
    assert standing(told) == "preparing: no pod is started before a gate opens"
    told.take(Gated(at=now, gate="go", open=True))
    told.take(Scaled(at=now, deployment="links-v2", replicas=1))
    assert waiting(told, now + 5) == ["pods that are ready: links-v2 with 1 pod (for 5 s of at most 5 min)"]


def test_a_share_that_a_gate_or_a_person_holds_is_said_to_be_proven() -> None:
    happened = with_gate("step")
    proven = next(
        n for n, event in enumerate(happened) if isinstance(event, Scraped) and event.decision.weight > 0.01
    )
    told = story(happened[: proven + 1])
    told.take(Gated(at=told.last_at, gate="go", open=False))
    last = happened[proven]
    assert isinstance(last, Scraped)
    collecting = replace(last.decision, reason="collecting evidence at 5%: an excess above 1% is possible")
    told.take(structs.replace(last, at=told.last_at + 15, decision=collecting))
    assert waiting(told, told.last_at)[-1] == "1 % is proven; 5 % waits for gate go"
    assert told.notes[-1].text == "1 % is proven; 5 % waits for gate go"
    told.take(Commanded(at=told.last_at, number=1, verb="pause", by="ada"))
    assert waiting(told, told.last_at)[-1] == "1 % is proven; 5 % waits for gate go and a person"


def test_proof_of_a_promotion_waits_for_its_gate() -> None:
    happened = with_gate("promotion")
    told = story([event for event in happened if not isinstance(event, Ended)][:-4])
    assert told.percent == told.ladder.steps[-1]
    told.take(Gated(at=told.last_at, gate="go", open=False))
    assert told.stays == "proof for the promotion waits for gate go"


def test_a_dry_run_says_who_has_to_set_the_weights() -> None:
    first, *others = journals.events("promoted")
    told = story([journals.dry(first), *others[:5]])
    assert waiting(told, told.last_at) == [
        "a person to set the weights v1 99, v2 1 in VirtualService links-routes: it is a dry run"
    ]
    assert told.notes[0].text.endswith("(a dry run: nothing is changed)")


def test_how_much_longer_is_a_limit() -> None:
    told = story(journals.events("promoted")[:9])
    assert ", about " in waiting(told, told.last_at)[0]


def test_a_run_that_nobody_drives_is_told() -> None:
    told = story(journals.events("running"))
    assert silence(told, told.last_at + 60) == ""
    assert "the controller may not be running" in silence(told, told.last_at + 600)
    assert eta_s(told, told.last_at + 600) is None


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.00104, "0.1 %"),
        (0.0507, "5.1 %"),
        (0.123, "12.3 %"),
        (0.00000001, "less than 0.001 %"),
        (1, "100 %"),
    ],
)
def test_percentages_are_short(share: float, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (59.6, "1 min"),
        (310, "5 min 10 s"),
        (3720, "1 h 02 min"),
        (float("inf"), "-"),
    ],
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert words.took(seconds) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((0, 1), "not known yet"),
        ((0, 0.002), "at most 0.2 percentage points"),
        ((0.01, 1), "more than 1 percentage point"),
        ((0.005, 0.2), "0.5 to 20 percentage points"),
        ((0, 0), "none"),
    ],
)
def test_an_excess_is_said(interval: tuple[float, float], text: str) -> None:
    assert words.excess(interval) == text


def test_times_that_no_calendar_has_are_said_nevertheless() -> None:
    assert words.date(1e300) == words.clock(1e300) == "1e+300"
    assert words.rate(PodSample(0, 0)) == "-"

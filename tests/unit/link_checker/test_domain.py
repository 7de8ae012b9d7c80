"""What outcomes mean; property tests of the schedule."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.link_checker.domain import (
    FAILURES,
    SOONEST_S,
    UNKNOWABLE,
    Finding,
    Line,
    Outcome,
    Schedule,
    State,
    after,
    snapshot,
    suggestion,
)

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
SCHEDULE = Schedule()
OUTCOMES = st.builds(
    Outcome,
    finding=st.sampled_from(Finding),
    retry_after_s=st.none() | st.floats(0, 7 * 86_400),
    suggested_url=st.none() | st.just("https://example.net/"),
    title=st.none() | st.just("T"),
)


@given(st.lists(st.tuples(OUTCOMES, st.floats(0, 1), st.floats(0, 40)), max_size=40))
def test_any_history_keeps_the_rules(history: list[tuple[Outcome, float, float]]) -> None:
    state, now = State(), NOW
    failed: list[dt.datetime] = []
    for outcome, chance, late_days in history:
        before, state = state, after(state, outcome, SCHEDULE, now, chance)
        if outcome.finding is Finding.ANSWERED or outcome.finding in UNKNOWABLE:
            failed = []
        elif outcome.finding in FAILURES:
            failed.append(now)
        if state.health == "dead":
            assert len(failed) >= SCHEDULE.dead_after_failures
            assert failed[-1] - failed[0] >= SCHEDULE.dead_after
        if outcome.finding is Finding.ANSWERED:
            assert (state.health, state.reason) == ("alive", "")
        if outcome.finding in (Finding.BUSY, Finding.UNCLEAR):
            assert (state.health, state.failures) == (before.health, before.failures)
        assert state.next_check_at is not None
        pause = state.next_check_at - now
        assert dt.timedelta(seconds=SOONEST_S) * 0.8 <= pause <= SCHEDULE.longest * 1.2
        assert before.title is None or state.title == before.title
        now += pause + dt.timedelta(days=late_days)


def test_jitter_spreads_checks() -> None:
    outcome = Outcome(finding=Finding.ANSWERED)
    times = [after(State(), outcome, SCHEDULE, NOW, chance).next_check_at for chance in (0.0, 0.5, 1.0)]
    days = [(time - NOW) / dt.timedelta(days=1) for time in times if time is not None]
    assert days == [0.8, 1.0, 1.2]


@pytest.mark.parametrize(
    ("url", "moved_to", "suggested"),
    [
        ("http://example.org/a", "https://example.org/a", "https://example.org/a"),
        ("http://example.org/a#part", "https://example.org/a", "https://example.org/a#part"),
        ("https://example.org/a#part", "https://example.org/a", None),
        ("https://example.org/a", "https://example.org/", None),
        ("https://example.org/?q=1", "https://example.org/", None),
        ("https://example.org", "https://www.example.org/", "https://www.example.org/"),
        ("https://example.org/a", "https://example.org/?moved=a", "https://example.org/?moved=a"),
        ("https://example.org/a", "http://example.org/b", None),
        ("https://example.org/a", None, None),
    ],
)
def test_suggestions(url: str, moved_to: str | None, suggested: str | None) -> None:
    assert suggestion(url, moved_to) == suggested


def test_a_snapshot_is_an_address_to_offer() -> None:
    assert snapshot("https://example.org/a") == "https://web.archive.org/web/https://example.org/a"


def test_our_line_is_judged_by_different_hosts() -> None:
    line = Line(most=3)
    for _ in range(10):
        line.note("one.example", Finding.TIMEOUT)
    assert not line.seems_broken()
    line.note("two.example", Finding.CONNECTION)
    line.note("three.example", Finding.TIMEOUT)
    assert line.seems_broken()
    line.note("four.example", Finding.NOT_FOUND)
    assert not line.seems_broken()

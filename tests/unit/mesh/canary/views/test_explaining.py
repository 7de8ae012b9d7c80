"""What is said of a run is true of its journal, number by number."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from mesh.canary.runs.journal import Ended, Entered, Overwritten, Replaced, Scraped, Written
from mesh.canary.views.explaining import explain, paragraphs
from mesh.canary.views.story import story
from tests.unit.mesh.canary.runs import journals


def said(name: str) -> str:
    return "\n".join(explain(journals.events(name)))


def sums(name: str) -> tuple[int, int, int, int]:
    """Requests and errors of stable and canary, added up from the journal."""
    seen = [
        each.observation for each in journals.events(name) if isinstance(each, Scraped) and each.observation
    ]
    return (
        sum(each.stable.requests for each in seen),
        sum(each.stable.errors for each in seen),
        sum(each.canary.requests for each in seen),
        sum(each.canary.errors for each in seen),
    )


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("promoted", "links v2 was promoted after 6 min 32 s: all requests go to it now, none to v1. "),
        ("rolled_back", "links v2 was rolled back after 2 min 40 s: all requests go to v1 again. "),
        (
            "inconclusive",
            "The rollout of links v2 ended after 2 min 54 s without a verdict: all go to v1 again. ",
        ),
        ("aborted", "The rollout of links v2 was aborted after 3 min 43 s; no verdict on v2 follows. "),
        ("running", "The rollout of links v2 goes on, for 4 min 28 s now. "),
    ],
)
def test_it_begins_with_how_it_ended(name: str, first: str) -> None:
    assert explain(journals.events(name))[0].startswith(first)


@pytest.mark.parametrize("name", journals.SCRIPTS)
def test_the_sums_are_those_of_the_journal(name: str) -> None:
    stable, stable_errors, canary, canary_errors = sums(name)
    text = said(name)
    assert f"v2 answered {canary:,} requests with {canary_errors or 'no'} error" in text
    assert f"v1 answered {stable:,} requests with {stable_errors} errors" in text


def test_a_rollback_says_what_spoke_against_the_version() -> None:
    text = said("rolled_back")
    assert "The reason: the canary is worse than stable: errors." in text
    assert "v2 differs from v1 in this: env CACHE_SIZE: 100 -> 200." in text
    assert "1 % for 1 min 2 s: v1 answered 8,854 requests with 10 errors (0.11 %)" in text
    assert "about 7 requests fewer would have failed: that is the estimate of the harm done." in text
    assert "at 100 the rollout is rolled back" in text
    assert "It ended at 566." in text
    assert "at least 0.5 percentage points and at most 20 percentage points above that of v1" in text
    assert "`delinkcious logs links --level error`" in text


def test_a_promotion_says_what_was_ruled_out_and_blames_no_chance() -> None:
    text = said("promoted")
    assert "A promotion has to rule out 0.5 percentage points or more, and this is done." in text
    assert "a difference that chance alone can make" in text
    assert "harm done" not in text
    assert "5 % for 1 min 2 s:" in text
    assert "100 % for" not in text


def test_without_a_verdict_nobody_is_blamed() -> None:
    text = said("inconclusive")
    assert "This does not say that v2 is bad." in text
    assert "`delinkcious mesh check`" in text


def test_gates_failures_and_people_are_part_of_the_story() -> None:
    text = said("gated")
    assert "Gates held the next move: lunch for 31 s." in text
    assert "2 of 21 scrapes failed; they say nothing for or against." in text
    assert "By hand: approve of lunch by grace at 12:07:12 UTC." in text
    assert "By hand: abort by grace at 12:03:11 UTC." in said("aborted")


def test_foreign_weights_and_a_replaced_pod_are_told() -> None:
    text = said("overwritten")
    assert (
        "Somebody else changed the weights 2 times, to 50 % for the canary and 50 % for the canary." in text
    )
    assert text.count("5 % for ") == 2  # that is 25 % as well: a share written again is told once
    assert "It has been paused for 1 min 2 s (the weights were overwritten twice)." in text
    assert "(the weights were overwritten twice)" in text
    happened = journals.events("running")
    at = happened[-1].at
    happened += [
        Overwritten(at=at + 1, percent=None),
        Replaced(at=at + 2, pod="links-v2-0", errors=9),
    ]
    text = "\n".join(explain(happened))
    assert "Somebody else changed the weights 1 time, to something that is no split of the two." in text
    assert "The pod links-v2-0 had 9 errors, nearly all there were, and was replaced at 12:04:29 UTC" in text


def test_a_run_that_has_just_begun_says_what_it_can() -> None:
    for length in range(1, 8):
        paragraphs = explain(journals.events("promoted")[:length])
        assert paragraphs[0].startswith("The rollout of links v2 goes on")
        assert paragraphs[-1] == "To follow it: `delinkcious canary watch links`."


def test_a_dry_run_is_called_so() -> None:
    happened = journals.events("promoted")
    began = journals.dry(happened[0])
    assert "It was a dry run: no weight was really changed." in explain([began, *happened[1:]])[0]


def test_a_dry_run_claims_no_requests() -> None:
    happened = journals.events("promoted")
    first = explain([journals.dry(happened[0]), *happened[1:]])[0]
    assert first.startswith("links v2 would have been promoted after 6 min 32 s. ")
    assert "It is a dry run" in explain([journals.dry(happened[0]), *happened[1:5]])[0]


def test_pods_that_never_were_ready_had_no_requests_to_give_back() -> None:
    begun = journals.events("promoted")[:3]
    at, why = begun[-1].at + 300, "0 of 1 canary pods are ready after 300 s: exit code 1"
    begun += [
        Entered(at=at, stage="retreating", why=why, verdict="rolled_back"),
        Written(at=at, percent=0, version="1"),
        Ended(at=at + 1, verdict="rolled_back", reason=why),
    ]
    said = explain(begun)
    assert "before it had a request: all went to v1 throughout." in said[0]
    assert "again" not in said[0]
    assert "`delinkcious mesh logs deployment/links-v2 -n delinkcious`" in said[-1]
    assert "traces" not in said[-1]


def test_who_aborted_is_said_once() -> None:
    *before, end = journals.events("aborted")
    first = explain([*before, structs.replace(end, reason="aborted by grace")])[0]
    assert first == "The rollout of links v2 was aborted by grace after 3 min 43 s; no verdict on v2 follows."


def test_every_paragraph_is_a_sentence() -> None:
    for name, script in journals.SCRIPTS.items():
        for paragraph in explain(journals.Writer(replace(script, changed=())).events()):
            assert paragraph.endswith("."), name
            assert paragraph[0].isupper() or paragraph[0].isdigit() or paragraph.startswith(("ada", "links"))
            assert "  " not in paragraph


def test_a_run_that_nobody_drives_any_more_is_said_to_be_silent() -> None:
    told = story(journals.events("running"))
    assert "The controller may not be" not in paragraphs(told, told.last_at + 10)[0]
    assert paragraphs(told, told.last_at + 3600)[0].endswith(
        "Nothing was written for 1 h 00 min: the controller may not be running."
    )

"""Texts of others on the pages: shown, never obeyed."""

from __future__ import annotations

import pytest

from mesh.console.rendering import ENVIRONMENT, coded, duration, query, render
from mesh.console.runbooks import rendered


def test_a_runbook_is_read_as_markdown() -> None:
    html = rendered("# High\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[next](Other.md)")
    assert "<h1>High</h1>" in html
    assert "<td>1</td>" in html
    assert '<a href="Other.md">next</a>' in html


@pytest.mark.parametrize("text", ["<script>x</script>", "[x](javascript:alert)", "<img onerror=x src=y>"])
def test_a_runbook_brings_no_markup_of_its_own(text: str) -> None:
    html = rendered(text)
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html


def test_commands_in_sentences_are_marked_and_the_rest_escaped() -> None:
    assert coded("Say `a < b`, <i>now</i>.") == "Say <code>a &lt; b</code>, &lt;i&gt;now&lt;/i&gt;."


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(850_000, "850 µs"), (12_300_000, "12.3 ms"), (999_000_000, "999 ms"), (1_250_000_000, "1.25 s")],
)
def test_times_are_short(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_an_address_has_what_is_set() -> None:
    assert query("/logs/", trace="ab", service="") == "/logs/?trace=ab"
    assert query("/logs/", trace=None) == "/logs/"


def test_every_template_can_be_read() -> None:
    names = ENVIRONMENT.list_templates()
    assert len(names) > 8
    for name in names:
        ENVIRONMENT.get_template(name)


def test_a_sentence_for_the_reader_is_shown() -> None:
    told = render("parts/away.html", sentence="Try `make up`.")
    assert told == '<p class="away" role="status">Try <code>make up</code>.</p>'

"""Alerts in the words of a page, whatever those who wrote their rules have annotated."""

from __future__ import annotations

import pytest

from mesh.console.alerting import Alert, Rule, active, plain, quiet
from mesh.console.rendering import render


def firing(name: str, state: str = "firing", **annotations: str) -> Rule:
    labels = {"alertname": name, "severity": "page", "app": "links"}
    return Rule(name, state, alerts=[Alert(state, labels, annotations, "2026-01-02T03:04:05.6Z")])


@pytest.mark.parametrize(
    ("annotations", "texts"),
    [
        ({}, ("", "")),
        ({"summary": "short"}, ("short", "")),
        ({"description": "long"}, ("long", "")),
        ({"summary": "short", "description": "long", "runbook_url": "x"}, ("short", "long")),
    ],
)
def test_an_alert_says_what_it_was_given(annotations: dict[str, str], texts: tuple[str, str]) -> None:
    [alert] = active([firing("Burning", **annotations)])
    assert (alert.summary, alert.description) == texts
    assert (alert.severity, alert.labels) == ("page", (("app", "links"),))


@pytest.mark.parametrize("annotations", [{}, {"summary": "short"}, {"description": "long"}])
def test_a_page_has_every_alert(annotations: dict[str, str]) -> None:
    told = [firing("Burning", **annotations)]
    counts = {"firing": 1, "pending": 0, "inactive": 0}
    html = render("parts/alerts.html", active=active(told), quiet=quiet(told), counts=counts, runbooks=set())
    assert "Burning" in html
    assert all(text in html for text in annotations.values())


def test_those_that_fire_come_first() -> None:
    told = active([firing("Late", "pending"), firing("Burning"), firing("Aching")])
    assert [alert.name for alert in told] == ["Aching", "Burning", "Late"]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ $labels.app }} has lost NATS", "<app> has lost NATS"),
        ("{{$labels.pod}} grew by {{ $value | humanize1024 }}B", "<pod> grew by …B"),
        ("Nothing to fill in", "Nothing to fill in"),
    ],
)
def test_a_template_is_readable(template: str, text: str) -> None:
    assert plain(template) == text


def test_rules_of_several_objectives_are_one_line_that_names_them() -> None:
    def burn(slo: str, severity: str, speed: str) -> Rule:
        return Rule("Burn", "inactive", {"severity": severity, "slo": slo}, {"summary": f"{slo}: {speed}"})

    rules = [burn(slo, "page", speed) for slo in ("links", "users") for speed in ("14 times", "6 times")]
    pages, ticket = quiet([*rules, burn("news", "ticket", "3 times")])
    assert (pages.texts, pages.about) == (("<slo>: 14 times", "<slo>: 6 times"), ("links", "users"))
    assert (ticket.texts, ticket.about) == (("news: 3 times",), ())


def test_a_rule_without_texts_is_listed_and_one_that_fires_is_not_quiet() -> None:
    [bare] = quiet([Rule("Bare"), firing("Burning")])
    assert (bare.name, bare.severity, bare.texts, bare.about) == ("Bare", "", (), ())

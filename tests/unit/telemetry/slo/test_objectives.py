"""The file of objectives: read strictly, and everything made of it is committed as it would be made now."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.slo import outputs
from telemetry.slo.indicators import bad_and_total
from telemetry.slo.model import SLOS, InvalidObjectives, load_alerts, load_objectives
from telemetry.slo.rules import scale_by, slo_groups

SERVICES = {"users", "links", "social-graph", "news", "link-checker", "web"}


def test_what_is_committed_is_what_would_be_made() -> None:
    for path, text in outputs.outputs().items():
        assert path.read_text() == text, f"{path.name} is not current: run `make slo`"


def test_nothing_else_lies_among_what_is_made() -> None:
    made = set(outputs.outputs())
    for variant in outputs.VARIANTS:
        assert set((outputs.PROMETHEUS / variant).iterdir()) <= made


def test_every_service_promises_availability_and_all_but_the_link_checker_latency() -> None:
    promised = {(slo.service, slo.indicator.alert) for slo in load_objectives().slos}
    assert {(service, "AvailabilityBurn") for service in SERVICES} <= promised
    assert {(service, "LatencyBurn") for service in SERVICES - {"link-checker"}} <= promised
    assert {("news", "NewsStale"), ("link-checker", "LinkChecksLate")} <= promised


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("objective: 99.9\n", "objective: 100\n", "`$.slos[0].objective`"),
        ("objective: 99.9\n", "objektive: 99.9\n", "unknown field `objektive`"),
        ("within_ms: 250", "within_ms: 300", "links-latency: within_ms 300 is no bound"),
        ("type: latency", "type: latenz", "latenz"),
        ("name: links-latency", "name: users-latency", "users-latency: there are two"),
        ("period: 30d", "period: month", "`$.period`"),
        ("long: 1h, short: 5m", "long: 5m, short: 1h", "14.4: the short window 1h is not shorter than 5m"),
        ("long: 1h, short: 5m", "long: 1h, short: 1m", "14.4: a window has 5m at least, not 1m"),
        ("[5m])) > 0\n", "[1m])) > 0\n", "news-freshness: a window has 5m at least, not 1m"),
        ("objective: 95\n", "objective: 93\n", "link-check-lag: 93 % cannot be missed 14.4 times too fast"),
        ("slos:\n", "slos: [\n", "slos.yaml"),
    ],
)
def test_a_mistake_is_refused_by_its_place(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = SLOS.read_text()
    assert old in text
    wrong = tmp_path / "slos.yaml"
    wrong.write_text(text.replace(old, new, 1))
    with pytest.raises(InvalidObjectives) as refused:
        load_objectives(wrong)
    assert complaint in str(refused.value)
    assert str(refused.value).startswith("slos.yaml: ")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("severity: page", "pods.yaml: only symptoms page"),
        ("severity: ticket\nowner: me", "pods.yaml: Object contains unknown field `owner`"),
        ("severity: warning", "pods.yaml: Invalid enum value 'warning'"),
    ],
)
def test_a_cause_that_calls_somebody_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    alert = 'alerts: [{alert: TargetDown, expr: "up == 0", summary: down}]'
    (tmp_path / "pods.yaml").write_text(f"{text}\n{alert}\n")
    with pytest.raises(InvalidObjectives, match=complaint):
        load_alerts(tmp_path)


def test_an_alert_has_one_name_and_windows_that_bear_scaling(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(
            'severity: ticket\nalerts: [{alert: TargetDown, expr: "up == 0", summary: down}]\n'
        )
    with pytest.raises(InvalidObjectives, match=r"b.yaml: TargetDown: there are two"):
        load_alerts(tmp_path)
    (tmp_path / "b.yaml").write_text(
        'severity: ticket\nalerts: [{alert: PodDown, expr: "max_over_time(up[30s]) == 0", summary: down}]\n'
    )
    with pytest.raises(InvalidObjectives, match=r"b.yaml: PodDown: a window has 5m at least, not 30s"):
        load_alerts(tmp_path)


def test_only_the_windows_differ_on_the_local_mesh() -> None:
    objectives = load_objectives()
    scaled = scale_by(objectives.local_scale)
    assert [scaled(one) for one in ("5m", "30m", "1h", "1d", "30d")] == ["15s", "90s", "3m", "72m", "36h"]
    cluster, local = slo_groups(objectives, scale_by(1)), slo_groups(objectives, scaled)
    assert cluster != local
    assert [group["name"] for groups in cluster.values() for group in groups] == [
        group["name"] for groups in local.values() for group in groups
    ]


def test_a_fault_that_only_callers_see_is_counted() -> None:
    (slo,) = (slo for slo in load_objectives().slos if slo.name == "links-availability")
    for expression in bad_and_total(slo, "5m"):
        assert 'reporter="source"' in expression
        assert "or vector(0)" in expression

"""The rules in Prometheus' own judgement: each alert is tried both ways by `promtool test rules`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from telemetry.grafana.queries import RULES, rules
from telemetry.slo.rules import runbook
from tests.promtool import ask

TESTS = sorted((RULES / "tests").glob("*.yml"))


@pytest.mark.parametrize("test", TESTS, ids=[test.stem for test in TESTS])
def test_alerts_fire_when_they_should_and_only_then(test: Path) -> None:
    ask("test", "rules", test)


@pytest.mark.parametrize("variant", ["rules", "rules-local"])
def test_prometheus_understands_every_rule(variant: str) -> None:
    ask("check", "rules", *sorted((RULES / variant).glob("*.yml")))


def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    wrong = yaml.safe_load((RULES / "tests" / "unjudged.yml").read_text())
    wrong["rule_files"] = [str(RULES / "rules" / "slo-web.yml")]
    labels = {"service": "web", "slo": "web-latency", "severity": "page", "window": "1h"}
    wrong["tests"][0]["alert_rule_test"][1]["exp_alerts"] = [{"exp_labels": labels}]
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump(wrong))
    with pytest.raises(AssertionError, match="web-latency"):
        ask("test", "rules", tmp_path / "wrong.yml")


def test_each_alert_is_tried_both_ways() -> None:
    tried: dict[str, set[bool]] = defaultdict(set)
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for look in test.get("alert_rule_test", ()):
                tried[look["alertname"]].add(bool(look["exp_alerts"]))
    alerts = {rule["alert"] for _, rule in rules("rules") if "alert" in rule}
    assert {alert for alert in alerts if tried[alert] != {True, False}} == set()
    assert set(tried) == alerts


def test_each_burn_rate_of_each_objective_is_tried_both_ways() -> None:
    trials = yaml.safe_load((RULES / "tests" / "burn-rules.yml").read_text())["tests"]
    fired = [
        {
            (alert["exp_labels"]["slo"], alert["exp_labels"]["window"])
            for look in trial["alert_rule_test"]
            for alert in look["exp_alerts"]
        }
        for trial in trials
    ]
    burning = {
        (rule["labels"]["slo"], rule["labels"]["window"])
        for _, rule in rules("rules")
        if "window" in rule.get("labels", {})
    }
    assert fired[0] == set()
    assert fired[-1] == burning
    assert [len(one) for one in fired] == sorted({len(one) for one in fired})


@pytest.mark.parametrize("variant", ["rules", "rules-local"])
def test_only_symptoms_page_and_every_alert_names_its_runbook(variant: str) -> None:
    alerts = [(group, rule) for group, rule in rules(variant) if "alert" in rule]
    assert {rule["labels"]["severity"] for _, rule in alerts} == {"page", "ticket"}
    for group, rule in alerts:
        assert rule["annotations"]["runbook_url"] == runbook(rule["alert"])
        assert rule["annotations"]["summary"]
        if rule["labels"]["severity"] == "page":
            assert group == "symptoms" or group.startswith("slo-")


def test_both_variants_have_the_same_alerts() -> None:
    assert [rule.get("alert") for _, rule in rules("rules")] == [
        rule.get("alert") for _, rule in rules("rules-local")
    ]

"""What Helm says after an install: commands that work where it was installed."""

from __future__ import annotations

from typing import Any

import helm_python

from delinkcious import chart

DEVELOPMENT = {"gateway": {"service": {"type": "ClusterIP"}}, "jaeger": {"enabled": True}}


def notes(values: dict[str, Any]) -> str:
    with helm_python.Chart.load(str(chart.CHART)) as loaded:
        texts: dict[str, str] = loaded.render(values, name="delinkcious", namespace=chart.NAMESPACE)
    (text,) = (text for name, text in texts.items() if name.endswith("NOTES.txt"))
    return text


def test_on_the_local_mesh_they_name_its_own_commands_and_ask_for_nothing() -> None:
    text = notes(chart.local_values())
    for command in ("delinkcious status", "delinkcious url", "delinkcious url jaeger"):
        assert f"  {command}\n" in f"{text}\n"
    for word in ("port-forward", "is yours", "are yours", "kubectl"):
        assert word not in text


def test_elsewhere_they_say_what_is_to_be_made_and_how_it_is_reached() -> None:
    text = notes(DEVELOPMENT)
    assert "These Secrets are yours" in text
    assert "kubectl -n istio-system create secret tls delinkcious-tls" in text
    assert "kubectl -n istio-system port-forward service/ingressgateway 8443:443" in text
    assert "kubectl -n observability port-forward service/jaeger 16686:16686" in text
    assert "delinkcious status" not in text

"""What a proxy tells of a request, and the Telemetry objects that say so."""

from __future__ import annotations

from mesh.local.envoy import telemetry
from mesh.local.envoy.access_log import access_logs
from mesh.local.envoy.telemetry import Mode
from mesh.local.envoy.tracing import manager_fields
from mesh.local.envoy.view import View
from mesh.local.explain.answer import Told
from mesh.local.explain.policies import place


def told(view: View, mode: Mode = "CLIENT") -> Told:
    """The access logs, metrics and spans that a request through the proxy leaves."""
    tracing = manager_fields(view, mode).get("tracing")
    found = telemetry.tracing(view, mode)
    return Told(
        logs=tuple(log["typed_config"]["path"] for log in access_logs(view, mode)),
        metrics=telemetry.metrics(view, mode) is not None,
        spans=str((found.provider or {}).get("name", "")) if found and tracing else "",
        sampled_percent=tracing["random_sampling"]["value"] if tracing else 0,
        by=tuple(place(resource, "spec") for resource in telemetry.applicable(view)),
    )

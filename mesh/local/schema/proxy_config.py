"""ProxyConfig: what a proxy is started with."""

from __future__ import annotations

from mesh.local.schema.language import ANY_TEXT, Int, MapOf, Message, later
from mesh.local.schema.selectors import WORKLOAD_SELECTOR

SPEC = Message(
    {
        "selector": WORKLOAD_SELECTOR,
        "concurrency": Int(0, 1024, "concurrency {} must be in the range 0..1024"),
        "environmentVariables": later(MapOf(ANY_TEXT), "no variable tells upstream Envoy anything"),
        "image": later(),
    }
)

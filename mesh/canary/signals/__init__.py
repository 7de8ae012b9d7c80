"""Evidence of a rollout: how raw counters of two arms rise, from Prometheus or from the proxies."""

from mesh.canary.signals.arms import missing_edges
from mesh.canary.signals.envoy import EnvoySource, Proxy
from mesh.canary.signals.prometheus import PrometheusSource
from mesh.canary.signals.source import ERROR_FLAGS, Measured, NoEvidence, Scrape, Source

__all__ = [
    "ERROR_FLAGS",
    "EnvoySource",
    "Measured",
    "NoEvidence",
    "PrometheusSource",
    "Proxy",
    "Scrape",
    "Source",
    "missing_edges",
]

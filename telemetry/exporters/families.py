"""Metrics of another program, named as its own exporter names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import Metric
from prometheus_client.metrics_core import GaugeMetricFamily, UnknownMetricFamily

Labels = Mapping[str, str]


def gauge(name: str, what: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    """A value that goes up and down."""
    return _with(GaugeMetricFamily(name, what), samples)


def count(name: str, what: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    """A value that only grows, under this very name: the library would put `_total` behind a counter's."""
    return _with(UnknownMetricFamily(name, what), samples)


def one(value: float) -> list[tuple[Labels, float]]:
    return [({}, value)]


def _with(family: Metric, samples: Iterable[tuple[Labels, float]]) -> Metric:
    for labels, value in samples:
        family.add_sample(family.name, dict(labels), float(value))
    return family

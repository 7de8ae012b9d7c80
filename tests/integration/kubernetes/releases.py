"""A real Helm, in this process: one release in a namespace of a test, its neighbours beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python

from delinkcious.chart import CHART
from tests.integration.kubernetes.cluster import Cluster, Json

NAME = "delinkcious"
# What was released before; an installation of each has to become one of today's.
PREVIOUS = (Path("tests/data/charts/delinkcious-0.1.0.tgz"),)
WITHIN_S = 120


class Release:
    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._config = helm_python.Config(kubeconfig_path=str(cluster.kubeconfig), namespace=namespace)
        self._namespace = namespace

    def install(self, values: Json, chart: Path = CHART, *, wait: bool = False) -> None:
        self._config.install(
            str(chart), NAME, values, namespace=self._namespace, timeout=WITHIN_S, wait=_waits(wait)
        )

    def upgrade(self, values: Json, chart: Path = CHART, *, wait: bool = False) -> None:
        self._config.upgrade(
            str(chart), NAME, values, namespace=self._namespace, timeout=WITHIN_S, wait=_waits(wait)
        )

    def rollback(self, revision: int) -> None:
        self._config.rollback(NAME, version=revision, timeout=WITHIN_S)

    def test(self) -> None:
        """Its own hooks for that. Raises helm_python.HelmError when one fails."""
        self._config.test(NAME, timeout=WITHIN_S)

    def uninstall(self) -> None:
        self._config.uninstall(NAME, timeout=WITHIN_S)

    def revisions(self) -> list[dict[str, Any]]:
        return list(self._config.history(NAME))

    def close(self) -> None:
        self._config.close()


def _waits(wait: bool) -> str | None:
    return "watcher" if wait else None


def beside(namespace: str) -> dict[str, str]:
    """Where a release of this namespace puts what would be in a namespace of everybody's."""
    return {
        "delinkcious": namespace,
        "istio-system": f"{namespace}-istio",
        "observability": f"{namespace}-observability",
        "loadtest": f"{namespace}-load",
    }


def in_namespaces(namespace: str) -> Json:
    """The values that say so."""
    spaces = beside(namespace)
    return {
        "gateway": {"namespace": spaces["istio-system"]},
        "observability": {"namespace": spaces["observability"]},
        "loadtest": {"namespace": spaces["loadtest"]},
        "grafana": {"dashboards": {"namespace": spaces["observability"]}},
    }

"""Slow but for the sample: a release in namespaces of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.releases import Release, beside
from tests.integration.kubernetes.server import Server
from tests.tools import MADE_WITHIN_S

SAMPLE = "test_sample.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.path.name != SAMPLE:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(MADE_WITHIN_S + 300))


@pytest.fixture(scope="session")
def server(cluster: Cluster) -> Server:
    return Server(cluster)


@pytest.fixture
def spaces(cluster: Cluster, namespace: str) -> dict[str, str]:
    """The test's own namespaces, by the names that the chart and the mesh have for them.

    A release makes those beside the first two itself.
    """
    found = beside(namespace)
    cluster.post("/api/v1/namespaces", {"metadata": {"name": found["istio-system"]}})
    return found


@pytest.fixture
def release(cluster: Cluster, namespace: str) -> Iterator[Release]:
    made = Release(cluster, namespace)
    yield made
    made.close()

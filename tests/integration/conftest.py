"""What several rooms share: one control plane of Kubernetes a run, a namespace for each test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.kubernetes.cluster import Cluster

_numbers = count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Ready, with the kinds of Istio and of rollouts, and a node whose pods run as soon as they are bound."""
    # Most runs need none of it, so they do not load it.
    from tests.integration.kubernetes import kinds, kubelet
    from tests.integration.kubernetes.programs import PROGRAMS
    from tests.tools import needed

    programs = {tool.name: needed(tool) for tool in PROGRAMS}
    with kubelet.running(tmp_path_factory.mktemp("kubernetes"), programs) as made:
        kinds.define(made)
        yield made


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    name = f"test-{next(_numbers)}"
    cluster.post("/api/v1/namespaces", {"metadata": {"name": name}})
    return name

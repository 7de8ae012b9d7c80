"""One mesh under a real istiod for all tests that change no more than its configuration; all of them slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from delinkcious.tools.catalogue import FOR_ISTIOD
from tests.mesh.istiod.manifests import platform
from tests.mesh.runtime.conftest import Running
from tests.mesh.runtime.manifests import Manifests
from tests.tools import MADE_WITHIN_S, needed

OPTIONS = ("--control-plane", "istiod")
STARTED_WITHIN_S = 180.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(MADE_WITHIN_S + 300))


@pytest.fixture(scope="session")
def programs() -> None:
    """The programs of istiod's control plane, brought where they are missing."""
    for tool in FOR_ISTIOD.values():
        needed(tool)


@pytest.fixture(scope="session")
def manifests() -> Manifests:
    return Manifests()


@pytest.fixture(scope="module")
def mesh(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("istiod"), *OPTIONS)
    (running.files / "mesh.yaml").write_text(platform())
    running.start(STARTED_WITHIN_S)
    yield running
    running.close()


@pytest.fixture
def new_mesh(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Running]]:
    """Starts meshes of their own for tests that end them."""
    made: list[Running] = []

    def start(text: str) -> Running:
        running = Running(tmp_path_factory.mktemp("istiod"), *OPTIONS)
        (running.files / "mesh.yaml").write_text(text)
        made.append(running)
        running.start(STARTED_WITHIN_S)
        return running

    yield start
    for running in made:
        running.close()

"""One installation for all tests of this folder, started once and ended whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.installation import Account, Installation, ended
from tests.e2e.stranger import Stranger, taken_for_public


@pytest.fixture(scope="session")
def installation(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Installation]:
    """The application as `delinkcious up` leaves it: everything is ready."""
    made = Installation(repository, tmp_path_factory.mktemp("e2e"))
    with ended(made):
        made.up("--control-plane", pytestconfig.getoption("control_plane"))
        yield made


@pytest.fixture
def edge(installation: Installation) -> Iterator[httpx.Client]:
    """A client of the public address."""
    with installation.edge() as client:
        yield client


@pytest.fixture
def account(installation: Installation) -> Account:
    """Somebody new."""
    return installation.account()


@pytest.fixture(scope="module")
def public(installation: Installation) -> Iterator[Stranger]:
    """A server that the checker takes for a public one, until the tests of a module are done."""
    with taken_for_public(installation) as server:
        yield server

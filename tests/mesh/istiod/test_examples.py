"""The examples do the same under istiod, command by command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mesh.local.runtime import supervise
from mesh.local.runtime.state import FOLDER, State
from tests.mesh.runtime.test_examples import EXAMPLES, followed


@pytest.mark.parametrize(
    ("example", "told"),
    [
        ("bookstore", "\n403\n"),
        ("grpc", "PERMISSION_DENIED"),
        ("tcp-echo", "\none hello\nrefused\n"),
    ],
)
def test_an_example_does_what_it_says(programs: None, tmp_path: Path, example: str, told: str) -> None:
    folder = tmp_path / example
    shutil.copytree(EXAMPLES / example, folder)
    try:
        assert told in followed(folder, "--control-plane istiod")
    finally:
        supervise.down(State(folder / FOLDER))

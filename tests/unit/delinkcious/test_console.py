"""Where the console of an installation is."""

from __future__ import annotations

from pathlib import Path

import pytest

from delinkcious import console
from mesh.local.runtime.companion import Room
from mesh.local.runtime.state import State


def test_it_has_an_address_of_its_own_while_the_mesh_runs(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.create()
    spec = console.companion(tmp_path, state.folder)
    room = Room("127.9.8.7", state.processes / spec.name, tmp_path / "log")
    room.folder.mkdir(parents=True)
    assert spec.prepare is not None
    spec.prepare(room)
    command = list(spec.command(room))
    assert command[command.index("--host") + 1] == "127.9.8.7"
    with state.held():
        assert console.url(state) == "http://127.9.8.7:7070/"
    with pytest.raises(LookupError, match="delinkcious up starts it"):
        console.url(state)

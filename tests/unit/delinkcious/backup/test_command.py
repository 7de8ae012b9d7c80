"""`delinkcious backup` replaces no file unasked, and `restore` names the installation that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delinkcious import local
from delinkcious.__main__ import main
from delinkcious.commands.backup import _command
from mesh.local.runtime.state import State


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    file, state = tmp_path / "backup", tmp_path / "state"
    file.write_bytes(b"older")
    refused = run("backup", str(file), "--state", str(state))
    assert refused.exit_code == 1
    assert "--force" in refused.output
    # Nothing runs there, which is asked next.
    forced = run("backup", str(file), "--state", str(state), "--force")
    assert "no database runs" in forced.output
    assert file.read_bytes() == b"older"


def test_a_restore_says_how_the_mesh_ends_that_is_in_its_way(tmp_path: Path) -> None:
    (tmp_path / "backup").write_bytes(b"")
    state = State(tmp_path / "state")
    state.create()
    with state.held():
        refused = run("restore", str(tmp_path / "backup"), "--yes", "--state", str(state.folder))
    assert refused.exit_code == 1
    assert f"already runs in {local.relative(state.folder)}" in refused.output
    assert f"`delinkcious down --state {state.folder}`" in refused.output


@pytest.mark.parametrize(
    ("state", "environment", "expected"),
    [
        (None, None, "delinkcious up"),
        (None, "staging", "delinkcious up --env staging"),
        (Path("/a b"), None, "delinkcious up --state '/a b'"),
    ],
)
def test_the_next_command_is_for_the_same_installation(
    state: Path | None, environment: str | None, expected: str
) -> None:
    assert _command("up", state, environment) == expected

"""`delinkcious news rebuild` where it cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from delinkcious.commands.news import news


@pytest.mark.parametrize("arguments", [(), ("--state", "state")])
def test_outside_a_checkout_one_sentence_says_so(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(news, ["rebuild", *arguments])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ") and "is not inside a checkout of Delinkcious" in done.output
    assert isinstance(done.exception, SystemExit)

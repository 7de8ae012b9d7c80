"""What a newcomer is told about a program that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.local.runtime.hints import hints
from mesh.local.runtime.process import Command

ENV = {"HOST": "127.9.0.3", "PORT": "8080"}


def _told(folder: Path, line: str, *argv: str) -> str:
    command = Command(argv, ENV, folder, folder / "log", folder)
    return "\n".join(hints(command, ["Traceback", line]))


@pytest.mark.parametrize(
    "line",
    [
        "OSError: [Errno 98] Address already in use",
        "Error: listen EADDRINUSE: address already in use 0.0.0.0:8080",
        "listen tcp :8080: bind: address already in use",
    ],
)
def test_a_port_in_use_names_the_address_to_listen_on(tmp_path: Path, line: str) -> None:
    assert "listen on $HOST:$PORT (here 127.9.0.3:8080)" in _told(tmp_path, line, "serve")


@pytest.mark.parametrize("file", ["app.py", "bin/serve", "./serve"])
def test_a_file_that_is_not_there_is_told_with_the_folder(tmp_path: Path, file: str) -> None:
    line = f"python3.12: can't open file '{tmp_path}/{file}': [Errno 2] No such file or directory"
    assert f"{file} is not in {tmp_path}" in _told(tmp_path, line, "python3.12", file)


def test_what_is_there_or_was_not_meant_is_not_doubted(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    assert _told(tmp_path, "app.py: line 3: no such thing", "python3.12", "app.py") == ""
    assert _told(tmp_path, "all is well", "python3.12", "lost.py") == ""
    assert _told(tmp_path, "x" * 500 + ".py", "sh", "x" * 500 + ".py") == ""

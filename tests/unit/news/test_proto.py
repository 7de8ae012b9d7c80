"""The committed messages are those of the interface's file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROTO = Path("services/news/proto/news.proto")


def test_the_generated_messages_are_current(repository: Path, tmp_path: Path) -> None:
    arguments = ["-I.", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", str(PROTO)]
    done = subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for name in ("news_pb2.py", "news_pb2.pyi"):
        made = (tmp_path / PROTO).with_name(name).read_text()
        assert made == (repository / PROTO).with_name(name).read_text(), f"{name}: run `make proto`"

"""The README's tour, block by block, as a newcomer would paste it into one shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def tour(readme: str) -> list[str]:
    """The shell blocks of the README, below its first heading of second level that names the tour."""
    begin = readme.index("\n## A tour")
    end = readme.index("\n## ", begin + 4)
    return re.findall(r"^```sh\n(.*?)^```$", readme[begin:end], re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of this checkout with a configuration folder of its own; what it starts is ended."""
    copy = tmp_path / "checkout"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True, timeout=60
    ).stdout.split("\0")
    for name in filter(None, files):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repository / name, copy / name, follow_symlinks=False)
    (copy / ".venv").symlink_to(Path(sys.prefix))
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True, timeout=60)
    subprocess.run(["git", "add", "mesh"], cwd=copy, check=True, timeout=60)
    yield copy
    command = [sys.executable, "-m", "delinkcious", "down", "--state", str(copy / ".delinkcious")]
    subprocess.run(command, cwd=copy, check=True, timeout=120)


# It compiles Jaeger where nothing else has yet.
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_block_of_the_tour_works_and_shows_what_it_promises(checkout: Path) -> None:
    blocks = tour((checkout / "README.md").read_text())
    assert len(blocks) >= 8
    environment = {**os.environ, "XDG_CONFIG_HOME": str(checkout.parent / "config"), "COLUMNS": "160"}
    environment.pop("CURL_CA_BUNDLE", None)
    # The environment is this run's own, whatever is newer than it.
    made = 'make() { command make --assume-old=.venv/runtime --assume-old=.venv/dev "$@"; }'
    script = f"set -euo pipefail\n{made}\nmake up\n" + "".join(
        f"echo '### {n}'\n{b}" for n, b in enumerate(blocks)
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment, capture_output=True, text=True, timeout=1100
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    shown = dict(re.findall(r"^### (\d+)\n(.*?)(?=^### |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    by_block = [shown[str(number)] for number in range(len(blocks))]
    assert "8 added" in by_block[1]
    assert "Python documentation" in by_block[1]
    assert '"url":"https://istio.io/latest/docs/"' in by_block[2]
    assert "ada: Envoy" in by_block[3]
    assert "DEAD_LETTERS  0" in by_block[3]
    assert '"href":"https://www.envoyproxy.io/"' in by_block[4].replace(": ", ":")
    assert int(by_block[4].splitlines()[-1]) > 1
    assert "links-v1" in by_block[5]
    assert "403" in by_block[6]
    assert "refused: mutual TLS is strict" in by_block[6]
    assert '"event":"access"' not in by_block[7], "lines are for people"
    assert "links" in by_block[7]
    assert "INSERT links" in by_block[7]
    assert "process events  consumer  delinkcious.link.saved.v1" in by_block[7]
    assert "'links'} " in by_block[8]
    counts = {version: int(n) for n, version in re.findall(r"(\d+) outbound\|80\|(v[12])", by_block[9])}
    assert counts["v1"] > counts["v2"] > 5
    assert 'unknown field "spec.http[0].route[0].wieght"' in by_block[10] + done.stderr
    assert "not applied" in by_block[10]
    assert "aborted by" in by_block[11]
    assert "was aborted" in by_block[11]
    assert "istio.io" in by_block[12]

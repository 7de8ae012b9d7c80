"""docs/operations.md, block by block in one shell, as somebody who operates this would paste it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

# The checkout that the tour is taken in, too.
from tests.e2e.test_tour import checkout

__all__ = ["checkout"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def blocks(page: str) -> list[str]:
    """Those that run on this machine."""
    return re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_every_block_for_this_machine_works_and_shows_what_it_promises(checkout: Path) -> None:
    found = blocks((checkout / "docs" / "operations.md").read_text())
    environment = {**os.environ, "XDG_CONFIG_HOME": str(checkout.parent / "config"), "COLUMNS": "160"}
    environment["PATH"] = f"{checkout}/.venv/bin:{environment['PATH']}"
    for name in ("CURL_CA_BUNDLE", "DELINKCIOUS_ENV", "DELINKCIOUS_SERVER"):
        environment.pop(name, None)
    script = "set -euo pipefail\n" + "".join(f"echo '### {n}'\n{block}" for n, block in enumerate(found))
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    parts = dict(re.findall(r"^### (\d+)\n(.*?)(?=^### |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    shown = [parts[str(number)] for number in range(len(found))]
    assert "Delinkcious is up" in shown[0]
    assert re.search(r"staging +up", shown[1])
    assert "Delinkcious (staging) is down." in shown[1]
    assert "configuration in force" in shown[2]
    assert "closed" in shown[2]
    assert "configuration refused" in shown[2]
    assert "rolled out" in shown[3]
    assert "istio.io" in shown[4]
    assert "new certificates" in shown[5]
    assert "Restored as of" in shown[6]
    assert "istio.io" in shown[6].partition("Restored as of")[2]
    assert "scaled to 2" in shown[7]

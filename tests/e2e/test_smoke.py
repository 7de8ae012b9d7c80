"""What `helm test` runs finds a working installation working, and says what is wrong with another."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.installation import Installation

WITHIN_S = 120.0


def smoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "delinkcious.smoke", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S)


@pytest.fixture
def ca(installation: Installation) -> str:
    return installation.told("ca").strip()


def test_a_link_is_saved_and_read_and_the_account_is_gone_again(installation: Installation, ca: str) -> None:
    done = smoke("--server", installation.url, "--ca", ca)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "signed",
        "saved",
        "read",
        "deleted",
        "all",
    ]
    found = re.search(r"deleted (smoke-\w+)", done.stdout)
    assert found
    with installation.edge() as edge:
        answer = edge.post("/api/v1/sessions", json={"username": found[1], "password": "whatever-it-was"})
        assert answer.status_code == 401


def test_the_certificate_may_be_for_another_name_than_the_address(
    installation: Installation, ca: str
) -> None:
    done = smoke("--server", installation.url, "--ca", ca, "--name", "localhost")
    assert done.returncode == 0, done.stderr
    wrong = smoke("--server", installation.url, "--ca", ca, "--name", "other.example", "--within", "0")
    assert wrong.returncode != 0
    assert "certificate" in wrong.stderr


def test_a_stranger_to_the_authority_is_refused_unless_told_not_to_look(installation: Installation) -> None:
    refused = smoke("--server", installation.url, "--within", "0")
    assert refused.returncode != 0 and "certificate is not trusted" in refused.stderr
    assert smoke("--server", installation.url, "--insecure").returncode == 0


def test_nobody_there_is_said_in_a_sentence(installation: Installation, ca: str, tmp_path: Path) -> None:
    host = urlsplit(installation.url).hostname
    done = smoke("--server", f"https://{host}:1", "--ca", ca, "--within", "0")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr and str(host) in done.stderr

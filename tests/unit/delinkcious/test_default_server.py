"""Which server a command means that names none."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from delinkcious.session import SessionFile, Stored, default_server


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SessionFile:
    """Of somebody who is in a folder without Delinkcious."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("DELINKCIOUS_SERVER", raising=False)
    return SessionFile(tmp_path / "sessions.json")


def _sign_in(sessions: SessionFile, server: str) -> None:
    sessions.keep(server, Stored("ada", "access", 0, "refresh", "/home/ada/ca.pem"))


def test_the_environment_comes_first(sessions: SessionFile, monkeypatch: pytest.MonkeyPatch) -> None:
    _sign_in(sessions, "https://one.example")
    monkeypatch.setenv("DELINKCIOUS_SERVER", "https://two.example")
    assert default_server(sessions) == "https://two.example"


def test_elsewhere_the_one_server_is_meant_where_one_is_signed_in(sessions: SessionFile) -> None:
    _sign_in(sessions, "https://one.example")
    assert default_server(sessions) == "https://one.example"


def test_several_are_named_and_none_is_chosen(sessions: SessionFile) -> None:
    _sign_in(sessions, "https://one.example")
    _sign_in(sessions, "https://two.example")
    with pytest.raises(click.UsageError, match=r"signed in at https://one\.example, https://two\.example"):
        default_server(sessions)


def test_nowhere_at_all_says_how_to_begin(sessions: SessionFile) -> None:
    with pytest.raises(click.UsageError, match=r"`delinkcious up`.* or name one by --server or DELINK"):
        default_server(sessions)


def test_a_session_from_before_has_no_authority(sessions: SessionFile) -> None:
    sessions.file.write_text(
        '{"https://one.example": {"username": "ada", "access_token": "a", "expires_at": 0,'
        ' "refresh_token": "r"}}'
    )
    assert sessions.all()["https://one.example"].authority == ""

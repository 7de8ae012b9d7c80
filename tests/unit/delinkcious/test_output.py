"""Output that cannot be written is trouble, and no answer of a command's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from delinkcious import output
from delinkcious.__main__ import main
from delinkcious.commands import mesh_diff

FULL = Path("/dev/full")
NAMESPACE = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
WRONG = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: A_}\n"
LINE = "Error: standard output cannot be written: No space left on device\n"
NOTHING: dict[str, list[str]] = {"objects": [], "proxies": [], "warnings": []}
Run = Callable[..., tuple[object, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Exit code and what stands on standard error of a command whose standard output is that descriptor."""

    def go(descriptor: int, *arguments: str) -> tuple[object, str]:
        with os.fdopen(descriptor, "w") as stream, monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            patched.setattr(sys, "__stdout__", stream)
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            sys.stdout.flush()  # as the interpreter does at its end
        return ended.value.code, capfd.readouterr().err

    yield go


def full() -> int:
    return os.open(FULL, os.O_WRONLY)


def unread() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize(("text", "style"), [(NAMESPACE, "text"), (WRONG, "text"), (WRONG * 200, "json")])
def test_a_verdict_that_nobody_can_read_is_none(run: Run, tmp_path: Path, text: str, style: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert run(full(), "mesh", "check", "-o", style, "-f", str(file)) == (output.FAILED, LINE)
    assert run(unread(), "mesh", "check", "-o", style, "-f", str(file)) == (output.FAILED, "")


def test_a_comparison_that_nobody_can_read_is_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    client = SimpleNamespace(post=lambda *_: NOTHING)
    for name, given in (("Client", lambda _: client), ("meant", lambda _: None), ("documents", lambda _: {})):
        monkeypatch.setattr(mesh_diff, name, given)
    for style in ("text", "json"):
        assert run(full(), "mesh", "diff", "-o", style, "-f", "a.yaml") == (output.FAILED, LINE)
        assert run(unread(), "mesh", "diff", "-o", style, "-f", "a.yaml") == (output.FAILED, "")


def test_help_that_nobody_can_read_is_trouble_too(run: Run) -> None:
    assert run(full(), "--help") == (output.FAILED, LINE)


def test_what_was_printed_without_a_flush_is_seen_at_the_end(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def late() -> None:
        sys.stdout.write("words")

    monkeypatch.setattr(type(main), "get_command", lambda *_: late)
    assert run(full(), "late") == (output.FAILED, LINE)


def test_trouble_of_another_file_stays_what_it_was(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def copy() -> None:
        click.echo("begins")
        with FULL.open("w") as file:
            file.write("words")

    monkeypatch.setattr(type(main), "get_command", lambda *_: copy)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    assert run(nowhere, "copy") == (1, "Error: No space left on device\n")


def test_a_stream_keeps_how_it_writes(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="latin-1", errors="replace") as stream:
        told: Any = output.told_apart(stream)
        told.write("ü€")
        told.flush()
    assert (tmp_path / "out").read_bytes() == b"\xfc?"

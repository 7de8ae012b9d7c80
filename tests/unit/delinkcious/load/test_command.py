"""What `delinkcious load` says to whoever is mistaken: a sentence, an exit code, and nothing sent."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from delinkcious.commands import load as command
from delinkcious.commands.load_options import LASTS
from delinkcious.load import driving
from loadtest import refusal
from tests.unit.delinkcious.load.example import blocks, figures, run

HERE = "--server=https://127.0.0.1:9"


@pytest.fixture(autouse=True)
def nobody_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(*_: object) -> None:
        pytest.fail("a sender was started")

    monkeypatch.setattr(driving, "_started", begun)


def told(*arguments: str) -> Result:
    """`delinkcious load ARGUMENTS`, which must not end in an exception of its own."""
    found = CliRunner().invoke(command.load, arguments)
    assert found.exception is None or isinstance(found.exception, SystemExit)
    return found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--server", "https://192.0.2.1"), "--i-own-this-host"),
        (("run", "--server", "https://[2001:db8::1]"), "--i-own-this-host"),
        (("capacity", "--server", "https://192.0.2.1"), "--i-own-this-host"),
        (("run", "--server", "http://192.0.2.1", "--i-own-this-host"), "use https"),
        (("run", "--server", "https://[::1"), "a target is like"),
        (("run", HERE, "--users", "1", "--rate", "1"), "say one of them"),
        (("run", HERE, "--rate", "1", "--processes", "2"), "--processes is for --users"),
        (("run", HERE, "--traced", "0.5"), "--traced is for an installation of this machine"),
        (("run", HERE, "--duration", "5 parsecs"), "not like 90s, 5m or 2h"),
        (("run", HERE, "--duration", "25h"), "not between 1 s and 24 h"),
        (("run", HERE, "--users", "5001"), "5001 is not in the range"),
        (("run", HERE, "--rate", "1e9"), "is not in the range"),
        (("run", HERE, "--shape", "wild"), "wild"),
        (("run", HERE, "--mix", "/nowhere/mix.yaml"), "/nowhere/mix.yaml: No such file"),
        (("run", HERE, "--report", "/nowhere/report"), "nothing can be written to /nowhere"),
        (("capacity", HERE, "--from", "30", "--to", "20"), "--to 20 is less than --from 30"),
        (("compare", "/nowhere/a.json", "/nowhere/b.json"), "/nowhere/a.json: No such file"),
    ],
)
def test_a_mistake_is_one_sentence_and_usage(arguments: tuple[str, ...], said: str) -> None:
    found = told(*arguments)
    assert found.exit_code == 2
    assert said in found.output


@pytest.mark.parametrize("verb", ["run", "capacity"])
def test_what_is_not_installed_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.setattr(command, "NEEDED", ("no_such_module_at_all",))
    found = told(verb, HERE)
    assert found.exit_code == 1
    assert "make .venv/dev" in found.output


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200)])
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert LASTS.convert(text, None, None) == seconds


def test_a_sender_says_why_it_does_not_begin_among_other_lines(capsys: pytest.CaptureFixture[str]) -> None:
    refusal.say("the load cannot sign up:\nno answer")
    text = f"[log] starting\n{capsys.readouterr().err}-----|-----\n"
    assert refusal.found(text) == "the load cannot sign up: no answer"
    assert refusal.found("[log] starting") == ""


def written(file: Path, *p99s_ms: float) -> str:
    file.write_bytes(msgspec.json.encode(run(figures(blocks(*p99s_ms)))))
    return str(file)


def test_compare_ends_with_1_when_something_became_worse_and_only_then(tmp_path: Path) -> None:
    slow = written(tmp_path / "slow.json", 200, 202, 199, 201, 200, 198)
    fast = written(tmp_path / "fast.json", 100, 101, 99, 102, 98, 100)
    worse, better = told("compare", fast, slow), told("compare", slow, fast)
    assert (worse.exit_code, better.exit_code) == (1, 0)
    assert "worse" in worse.output
    assert "better" in better.output
    document = msgspec.json.decode(told("compare", fast, slow, "-o", "json").stdout)
    p99 = next(each for each in document["differences"] if each["figure"] == "p99_ms")
    assert p99["beyond_noise"]
    assert p99["ratio"] == pytest.approx(2, rel=0.02)

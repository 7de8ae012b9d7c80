"""What people say to rollouts on the command line, and what they hear when nobody can obey."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delinkcious.__main__ import main
from mesh.canary.home import RUNS
from mesh.canary.runs import starting
from mesh.canary.runs.folder import Folder, Said
from mesh.canary.runs.journal import Commanded, Ended, Journal, Verb
from mesh.local.runtime.client import Client
from tests.unit.mesh.canary.runs.world import BEGAN_AT, World, rollout


def said(*words: str, state: Path) -> Result:
    return CliRunner().invoke(main, ["canary", *words, "--state", str(state)])


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A run with one gate, in a folder where no mesh runs."""
    asked = rollout(gates=[{"type": "manual", "name": "go", "at": "start"}])
    changes = starting.Changes(sets=("env.A=1",))
    beginning = starting.begin(World(), asked, changes, run="20270115-080000-0000", by="ada", at=BEGAN_AT)
    return Folder(tmp_path / RUNS).begin(asyncio.run(beginning))


def test_what_is_said_while_the_mesh_is_down_is_kept_for_it(tmp_path: Path, journal: Path) -> None:
    done = said("pause", "links", state=tmp_path)
    assert done.exit_code == 0
    assert "links: pause is kept for when the mesh runs again (no mesh runs in" in done.output
    [(_, kept)] = Folder(tmp_path / RUNS).said(journal, 0)
    assert (kept.verb, kept.gate) == ("pause", "")


def test_a_gate_that_is_none_is_named_with_those_there_are(tmp_path: Path, journal: Path) -> None:
    done = said("approve", "links", "stop", state=tmp_path)
    assert done.exit_code == 1
    assert "has no manual gate 'stop'; there are go" in done.output
    assert Folder(tmp_path / RUNS).said(journal, 0) == []


def test_a_run_that_has_ended_hears_nothing(tmp_path: Path, journal: Path) -> None:
    file = Journal(journal)
    file.append(Ended(at=BEGAN_AT + 1, verdict="aborted", reason="enough"))
    file.close()
    done = said("abort", "links", state=tmp_path)
    assert done.exit_code == 1
    assert "has ended: aborted: enough" in done.output


def test_a_run_that_was_aborted_is_told_so_once(tmp_path: Path, journal: Path) -> None:
    file = Journal(journal)
    file.append(Ended(at=BEGAN_AT + 1, verdict="aborted", reason="aborted by ada"))
    file.close()
    assert "has ended: aborted by ada" in said("pause", "links", state=tmp_path).output


def test_a_run_may_be_named_by_how_its_name_begins(tmp_path: Path, journal: Path) -> None:
    assert said("pause", "20270115-08", state=tmp_path).exit_code == 0
    assert len(Folder(tmp_path / RUNS).said(journal, 0)) == 1


def test_a_service_that_has_a_run_begins_no_other(tmp_path: Path, journal: Path) -> None:
    file = tmp_path / "links.yaml"
    file.write_text("metadata: {name: links, namespace: app}\nspec: {service: links}\n")
    done = said("start", "links", "-f", str(file), state=tmp_path)
    assert done.exit_code == 1
    assert "links has a run already, 20270115-080000-0000: watch it" in done.output
    assert "delinkcious canary abort links), or begin with --replace" in done.output


def test_a_mistake_in_yaml_is_shown_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "links.yaml"
    file.write_text("spec:\n  service: links\n steps: [1]\n")
    done = said("start", "links", "-f", str(file), state=tmp_path)
    assert "\N{REPLACEMENT CHARACTER}" not in done.output
    assert len(done.output.splitlines()) > 3


VERBS: list[tuple[Verb, str]] = [
    ("approve", "gate go is open for one move"),
    ("pause", "the weight is held at 0 %; delinkcious canary resume links goes on"),
    ("resume", "the run goes on"),
    ("abort", "the canary is being taken back; delinkcious canary watch links"),
    ("promote", "the canary is being given all requests"),
]


@pytest.mark.parametrize(("verb", "told"), VERBS)
def test_what_was_heard_is_said_with_what_follows(
    tmp_path: Path, journal: Path, verb: Verb, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def obey(_: Client, path: str, body: object) -> None:
        file = Journal(journal)
        file.append(Commanded(at=BEGAN_AT + 1, number=1, verb=verb, by="ada"))
        file.close()

    monkeypatch.setattr(Client, "post", obey)
    words = {"approve": ("go",), "promote": ("--yes",)}.get(verb, ())
    done = said(verb, "links", *words, state=tmp_path)
    assert (done.exit_code, done.output[: len(told) + 7]) == (0, f"links: {told}")


def test_a_promotion_without_proof_is_asked_about_first(tmp_path: Path, journal: Path) -> None:
    done = CliRunner().invoke(main, ["canary", "promote", "links", "--state", str(tmp_path)], input="n\n")
    assert done.exit_code == 1
    assert "without proof" in done.output
    assert Folder(tmp_path / RUNS).said(journal, 0) == []


@pytest.mark.parametrize("verb", ["pause", "resume", "abort"])
def test_an_unknown_run_is_named(tmp_path: Path, verb: str) -> None:
    done = said(verb, "nobody", state=tmp_path)
    assert done.exit_code == 1
    assert "no run and no service with runs is called 'nobody'" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("start", "nobody"), "nobody.yaml is not there: name a rollout with -f"),
        (("start", "users", "-f", "mesh/canary/rollouts/links.yaml"), "a rollout of links, not of users"),
        (("start", "links", "-f", "README.md"), "README.md"),
        (("start", "links", "--set", "env.A=1"), "does not answer"),
    ],
)
def test_what_keeps_a_run_from_beginning_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = said(*arguments, state=tmp_path)
    assert done.exit_code == 1
    assert told in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / RUNS).exists()


def test_commands_that_come_at_once_are_all_heard(tmp_path: Path, journal: Path) -> None:
    folder = Folder(tmp_path / RUNS)
    with ThreadPoolExecutor(20) as people:
        for _ in range(20):
            people.submit(folder.say, journal, Said(verb="pause", by="ada"))
    assert [number for number, _ in folder.said(journal, 0)] == list(range(1, 21))

"""The runbooks: one for each alert, with the same few sections, and nothing in them that does not exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from delinkcious.__main__ import main
from telemetry.grafana.queries import TELEMETRY, rules
from tests.promtool import ask

RUNBOOKS = sorted((TELEMETRY / "runbooks").glob("*.md"))
SECTIONS = ["First look", "Likely causes", "Mending", "Mended when"]
QUERY = re.compile(r"^```promql\n(.*?)^```$", re.M | re.S)
SCRIPT = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"`(delinkcious [^`]+)`")
SUBSTITUTED = re.compile(r"\$\((delinkcious [^)]+)\)")
LINK = re.compile(r"\]\(([^)]+)\)")


def commands(text: str) -> Iterator[list[str]]:
    """Every call of the command line in a runbook, as its words."""
    lines = [line for script in SCRIPT.findall(text) for line in script.splitlines()]
    calls = [line.split("|")[0] for line in lines if line.startswith("delinkcious ")]
    for call in [*calls, *INLINE.findall(text), *SUBSTITUTED.findall(text)]:
        yield shlex.split(call)


def fault(call: list[str]) -> str:
    """Why this project does not have the command; empty when it has."""
    command: click.Command = main
    context = click.Context(main)
    words = call[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        if found is None:
            return "" if command.invoke_without_command else f"no command {name}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    unknown = [word for word in words if word.startswith("-") and word not in {*known, "--help"}]
    return f"no option {unknown[0]}" if unknown else ""


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    alerts = {rule["alert"] for _, rule in rules("rules") if "alert" in rule}
    assert {path.stem for path in RUNBOOKS} == alerts


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_where_to_look_and_when_it_is_mended(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n\n**For users:** ")
    assert re.findall(r"^## (.+)$", text, re.M) == SECTIONS
    first = text.split("## First look")[1].split("## Likely causes")[0]
    assert SCRIPT.search(first)
    assert QUERY.search(first)


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_command_in_a_runbook_exists(path: Path) -> None:
    calls = list(commands(path.read_text()))
    assert calls
    assert [(" ".join(call), fault(call)) for call in calls if fault(call)] == []


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert fault(["delinkcious", "events", "stat"]) == "no command stat"
    assert fault(["delinkcious", "mesh", "get", "pods", "--wide"]) == "no option --wide"


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_link_in_a_runbook_leads_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text()):
        assert (path.parent / target).exists(), target


def test_prometheus_understands_every_query_of_the_runbooks(tmp_path: Path) -> None:
    queries = [query for path in RUNBOOKS for query in QUERY.findall(path.read_text())]
    asked = [{"record": f"q{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    ask("check", "rules", tmp_path / "queries.yml")

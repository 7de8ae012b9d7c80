"""The schema of log lines, and its table in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from telemetry.line import Line, parse

USUAL = b'"time":"2026-11-26T10:00:00Z","level":"info","event":"x","service":"links"'


def test_the_documentation_has_every_field_of_the_schema_in_its_order(repository: Path) -> None:
    text = (repository / "docs" / "logs.md").read_text().partition("## The schema")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(Line.__struct_fields__)


@pytest.mark.parametrize("more", [b"", b',"trace_id":null,"status":null', b',"consumer":"news","status":200'])
def test_a_line_may_say_more_and_have_nothing_to_say(more: bytes) -> None:
    assert parse(b"{" + USUAL + more + b"}").service == "links"


@pytest.mark.parametrize(
    "line",
    [
        b"plain text",
        b"{" + USUAL.replace(b"info", b"notice") + b"}",
        b"{" + USUAL.replace(b'"event":"x",', b"") + b"}",
        b"{" + USUAL + b',"status":"200"}',
        b"{" + USUAL + b',"trace_id":"short"}',
        b"{" + USUAL.replace(b"2026-11-26T10:00:00Z", b"today") + b"}",
    ],
)
def test_what_does_not_fit_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        parse(line)

"""Files as a person in the current folder names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from delinkcious.commands.mesh_show import explanation, near, nearer, show


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_below_is_named_from_here_and_one_far_away_from_the_root(here: Path) -> None:
    assert near(f"{here}/mesh/a.yaml") == "mesh/a.yaml"
    assert near("/a.yaml") == "/a.yaml"
    assert near("-") == "-"


def test_findings_and_what_is_held_name_files_from_here(here: Path) -> None:
    lines = [
        f"{here}/a b.yaml:3: error: VirtualService x",
        f"{here}/c.yaml: warning: y",
        f"held: z (applied from {here}/d.yaml:1)",
    ]
    assert nearer("\n".join(lines)).splitlines() == [
        "a b.yaml:3: error: VirtualService x",
        "c.yaml: warning: y",
        "held: z (applied from d.yaml:1)",
    ]


def test_other_paths_stay(here: Path) -> None:
    text = f"{here}/none does not exist: no mesh was ever started there\nsee {here}/log"
    assert nearer(text) == text


def test_sentences_with_commas_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    explanation({"pods": ["a", "b"], "flags": ["URX: all retries, or attempts", "UF: failed"]}, "yaml")
    assert capsys.readouterr().out == "pods: a, b\nflags: URX: all retries, or attempts; UF: failed\n"


ADA = {"name": "who", "string_match": {"exact": "ada"}}


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({"connect_matcher": {}}, "CONNECT (any host:port)"),
        ({"connect_matcher": {}, "headers": [ADA]}, "CONNECT [who=ada]"),
        ({"prefix": "/"}, "/*"),
        ({"path": "/a", "case_sensitive": True}, "/a"),
        ({"safe_regex": {"regex": "/a.b"}, "case_sensitive": False}, "~/a.b [any case]"),
        ({"prefix": "/", "headers": [ADA, {"name": "x", "present_match": True}]}, "/* [who=ada, x]"),
        ({"prefix": "/", "headers": [{**ADA, "invert_match": True}]}, "/* [!who=ada]"),
        (
            {
                "prefix": "/",
                "headers": [{"name": ":method", "string_match": {"prefix": "P"}}],
                "query_parameters": [{"name": "q", "string_match": {"safe_regex": {"regex": "a+"}}}],
            },
            "/* [:method=P*, ?q~a+]",
        ),
        ({"prefix": "/", "grpc": {}}, '{"prefix": "/", "grpc": {}}'),
    ],
)
def test_a_routes_match_is_told_in_short_and_nothing_is_left_out(
    match: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row: dict[str, object] = {"namespace": "a", "pod": "b", "virtualHost": "c", "name": None, "to": []}
    show("routes", [{**row, "match": match}], "table")
    heading, line = capsys.readouterr().out.splitlines()
    assert line[heading.index("MATCH") :].strip() == words


def test_a_long_match_is_cut_in_the_table_and_whole_in_the_wide_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row: dict[str, object] = {"namespace": "a", "pod": "b", "virtualHost": "c", "name": None, "to": []}
    path = "/" + 100 * "x"
    for output, told in (("table", f"{path[:79]}…\n"), ("wide", f"{path} ")):
        show("routes", [{**row, "config": None, "match": {"path": path}}], output)
        assert told in capsys.readouterr().out


def test_a_listener_says_once_what_several_of_its_chains_take(capsys: pytest.CaptureFixture[str]) -> None:
    chains = [{"takes": what} for what in ("plain text", "mutual TLS of the mesh", "plain text")]
    row = {"namespace": "a", "pod": "b", "address": "c:1", "direction": "inbound", "protocol": "HTTP"}
    show("listeners", [{**row, "chains": chains}], "table")
    assert capsys.readouterr().out.rstrip().endswith("   plain text; mutual TLS of the mesh")

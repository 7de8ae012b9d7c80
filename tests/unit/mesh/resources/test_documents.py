"""YAML as Kubernetes reads it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from mesh.local.documents import MAX_DEPTH, MAX_VALUES, Document, Malformed, documents

HOSTILE_S = 5.0  # a hostile text costs at most this on a busy machine; the bounds make it well under 2 s


def only(text: str) -> Document:
    (document,) = documents(text)
    return document


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("y", True),
        ("N", False),
        ("Yes", True),
        ("off", False),
        ("ON", True),
        ("yEs", "yEs"),
        ("~", None),
        ("null", None),
        ("'y'", "y"),
        ("010", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0b101", -5),
        ("1_000", 1000),
        ("08", 8),
        ("+12", 12),
        ("1.0", 1),
        ("1.5e3", 1500),
        (".5", 0.5),
        (".", "."),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("-", [None]),
        ("=", "="),
    ],
)
def test_a_scalar_means_what_go_reads(written: str, meant: Any) -> None:
    value = only(f"[{written}]").value[0] if written != "-" else only("-").value
    assert value == meant
    assert type(value) is type(meant)


def test_keys_become_text_as_kubernetes_writes_them() -> None:
    assert only("{8080: a, y: b, x: c}").value == {"8080": "a", "true": "b", "x": "c"}


def test_a_null_field_is_absent_and_noted() -> None:
    document = only("a: null\nb: {c: ~, d: 1}\n")
    assert document.value == {"b": {"d": 1}}
    assert document.nulls == [("a",), ("b", "c")]


def test_every_field_and_item_knows_its_line() -> None:
    lines = only("spec:\n  http:\n    - a: 1\n      b:\n        - x\n    - c: 2\n").lines
    assert lines[("spec",)] == 1
    assert lines[("spec", "http", 0)] == 3
    assert lines[("spec", "http", 0, "b")] == 4
    assert lines[("spec", "http", 0, "b", 0)] == 5
    assert lines[("spec", "http", 1, "c")] == 6


def test_aliases_and_merges_are_read() -> None:
    text = "a: &a {x: 1, y2: 2}\nb: {<<: *a, x: 3}\nc: *a\n"
    assert only(text).value == {"a": {"x": 1, "y2": 2}, "b": {"x": 3, "y2": 2}, "c": {"x": 1, "y2": 2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", 'duplicate key "a", first written in line 1'),
        ("a: {b: 1, 'b': 2}", 'duplicate key "b"'),
        ("a: !!python/object:os.system x", "the tag tag:yaml.org,2002:python/object:os.system is not read"),
        ("a: !secret {b: c}", "the tag !secret is not read"),
        ("a: .nan", "is not a finite number"),
        ("a: 99999999999999999999", "is a number beyond 64 bits"),
        ("1.5: a", "the key '1.5' is no text; quote it"),
        ("~: a", "the key '~' is no text; quote it"),
        ('a: "\\0"', "holds a NUL character"),
        ("a: {<<: 1}", "<< merges objects only"),
    ],
)
def test_what_json_cannot_carry_is_a_problem(text: str, message: str) -> None:
    assert any(message in problem for _, _, problem in only(text).problems)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: [1\nb: 2", 2, "not readable as YAML"),
        ("a: b: c", 1, "mapping values are not allowed"),
        ("x: 1\n\ta: 2", 2, "a tab character that violates indentation"),
        ("a: *b", 1, "the alias *b stands for nothing written before it"),
        ("a: &a [*a]", 1, "the alias *a stands for nothing written before it"),
        ("? [a]\n: b", 1, "a list or an object cannot be a key"),
        ('a: "\ud800"', 1, "half a surrogate pair"),
        ("a: \x01", 1, "not readable as YAML"),
    ],
)
def test_malformed_text_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        list(documents(text))
    assert message in str(caught.value)
    assert caught.value.line == line


def bomb() -> str:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *rows])


def tower() -> str:
    return "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2000))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb(), f"holds more than {MAX_VALUES} values"),
        (tower(), f"nested deeper than {MAX_DEPTH} levels"),
        ("[" * 1_000_000, f"nested deeper than {MAX_DEPTH} levels"),
        ("- " * 1_000_000, f"nested deeper than {MAX_DEPTH} levels"),
        ("[" + "a," * 2_000_000 + "]", f"holds more than {MAX_VALUES} values"),
        ('"' + "\\" * 4_000_000, "not readable as YAML"),
        ("a: &b " * 100_000, "not readable as YAML"),
    ],
    ids=["aliases", "tower", "brackets", "dashes", "items", "backslashes", "anchors"],
)
def test_hostile_text_is_refused_quickly(text: str, message: str) -> None:
    start = time.process_time()
    with pytest.raises(Malformed) as caught:
        list(documents(text))
    assert message in str(caught.value)
    assert time.process_time() - start < HOSTILE_S


def test_json_is_read_with_its_escapes_and_lines() -> None:
    written = {"a": "\U0001f600 \\ud83d\\ude00", "b": ["\t/", 1e3, None], "c": {"y": "n"}}
    document = only(json.dumps(written, indent="\t"))
    assert document.value == {**written, "b": ["\t/", 1000, None]}
    assert document.lines[("b", 1)] == 5


def test_several_documents_and_empty_ones() -> None:
    assert [document.value for document in documents("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n")] == [
        {"a": 1},
        None,
        {"b": 2},
    ]

"""Durations, regular expressions and header values, as Go, RE2 and Envoy read them."""

from __future__ import annotations

import time

import pytest

from mesh.local.schema.duration import milliseconds, nanoseconds
from mesh.local.schema.header_value import header_value
from mesh.local.schema.re2 import syntax_error
from mesh.local.schema.text import gateway_host, wildcard_host


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("5s", 5_000_000_000),
        ("0.5s", 500_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("250ms", 250_000_000),
        ("10\u00b5s", 10_000),
        ("-1s", -1_000_000_000),
        ("+1s", 1_000_000_000),
        ("0", 0),
        ("", None),
        ("5", None),
        ("5 s", None),
        ("1d", None),
        ("s", None),
        ("1e3s", None),
        ("\u0661s", None),
        ("9" * 30 + "h", None),
        ("--1s", None),
    ],
)
def test_a_duration_is_what_go_parses(text: str, length: int | None) -> None:
    assert nanoseconds(text) == length


def test_a_checked_duration_is_whole_milliseconds() -> None:
    assert milliseconds("1.25s") == 1250
    with pytest.raises(ValueError, match="no duration"):
        milliseconds("soon")


@pytest.mark.parametrize(
    "pattern",
    [
        ".*",
        "^/a/(b|c)+?$",
        "(?i)abc",
        "a(?i:b)c",
        "(?P<name>x)(?<other>y)",
        "[a-z0-9_-]+",
        "[]a]",
        "[^]]",
        "[[:alpha:][:^digit:]]",
        r"\d{2,5}\.\w*",
        r"\pL\p{Greek}\P{^Lu}",
        r"\x41\x{ff}\07\123",
        "(a{31}){32}",
        "(a{0,10}b{2}){100}",
        "(a*){1000}",
        r"\p{Greek}[\p{Yi}\P{^Lu}]\pN",
        "a{1000}" * 32,
        r"(\Qa(b\E)?",
        r"\Q((",
        "a{,5}",
        "a{",
        "a|b|",
        "a**b".replace("**", "*"),
        "(?:a?)*",
        "[\\-a]",
        "[a\\]b]",
    ],
)
def test_re2_patterns_are_accepted(pattern: str) -> None:
    assert syntax_error(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("*", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `*`"),
        ("a+*", "invalid nested repetition operator: `*`"),
        ("a*??", "invalid nested repetition operator: `?`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{5,2}", "invalid repeat count: `{5,2}`"),
        ("(", "missing closing )"),
        (")", "unexpected )"),
        ("[a", "missing closing ]"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:letter:]]", "invalid character class range: `[:letter:]`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=a`"),
        ("(?<!a)", "invalid or unsupported Perl syntax: `(?<!`"),
        ("(?>a)", "invalid or unsupported Perl syntax"),
        (r"\1", r"invalid escape sequence: `\1`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        ("a\\", "trailing backslash at end of expression"),
        (r"\p{nonsense}", "invalid character class range"),
        (r"\x{100}", r"invalid escape sequence: `\x{100}`"),
        (r"\p{Foo}", "invalid character class range"),
        (r"[\p{Foo}]", "invalid character class range"),
        ("(a{32}){32}", "invalid repeat count: `{32}`"),
        ("((a{10}|b){10}c){11}", "invalid repeat count: `{11}`"),
        ("(a{2,}){501}", "invalid repeat count: `{501}`"),
        ("a{1000}" * 33, "expression is too large"),
        ("(?P<n>a)(?P<n>b)", "duplicate capture group name: `n`"),
        ("(" * 300 + ")" * 300, "expression nests too deeply"),
    ],
)
def test_what_is_no_re2_is_refused_in_gos_words(pattern: str, reason: str) -> None:
    assert reason in (syntax_error(pattern) or "accepted")


@pytest.mark.parametrize(
    "value",
    ["a", "", "100%%", "%PROTOCOL%", "x %START_TIME(%Y-%m)% y", "%REQ(a\\)b)%", "%%%HOSTNAME%", "%REQ(x):9%"],
)
def test_envoys_header_formats_are_accepted(value: str) -> None:
    assert header_value(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "%",
        "a%b",
        "%HOSTNAME%%",
        "%REQ(%",
        "a\nb",
        "%REQ(b) c%",
        "%FOO%",
        "%hostname%",
        "%REQ%",
        "%REQ()%",
        "a" * 16_385,
    ],
)
def test_broken_header_formats_are_refused(value: str) -> None:
    assert header_value(value) is not None


def test_a_long_row_of_percent_signs_costs_no_time() -> None:
    start = time.process_time()
    assert header_value("%%" * 8_000 + "%") is not None
    assert time.process_time() - start < 2


@pytest.mark.parametrize("host", ["*", "*.a.b", "*-x.a", "a", "a.b.", "A.b"])
def test_hosts_are_accepted(host: str) -> None:
    assert wildcard_host(host) is None


@pytest.mark.parametrize(
    "host", ["", "a..b", ".a", "a.*.b", "a*", "a.1", "a_b", "-a", "a" * 64, "a." * 130 + "b"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    assert wildcard_host(host) is not None


@pytest.mark.parametrize("host", ["*", "a.b", "*/a.b", "./*.a.b", "ns/*", "10.0.0.1"])
def test_hosts_of_gateways_are_accepted(host: str) -> None:
    assert gateway_host(host) is None

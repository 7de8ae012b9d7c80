"""Expressions as Envoy takes and refuses them; each was tried on it."""

from __future__ import annotations

import pytest

from mesh.local.schema.cel import syntax_error

TAKEN = (
    "response.code >= 400",
    "request.method == 'GET' && !(request.path.startsWith('/a') || false)",
    "has(request.headers)",
    "'x-a' in request.headers",
    "request.headers['x-a'].matches('a+') ? 1 : 2",
    "size([1, 2,]) > 1u ? {'a': 1}.a : -0x1F",
    "request.duration > duration('1s')",
    "request.time.getHours('UTC') < 12",
    ".5 + 1e3 - 1.5e-3 // a comment",
    r"""r'\d' + b"x" + '\x41\n\u00e9'""",
    "foo.in_.bar[0]",
    "!!true",
)
REFUSED = {
    "": "an expression is expected at 'the end'",
    "has(request.headers['x-a'])": "has() takes a field",
    "1 +": "an expression is expected",
    "a ? b": ": is expected",
    "(1": ") is expected at 'the end'",
    "a b": "the end is expected at 'b'",
    "a = b": "no expression at '= b'",
    r"'\q'": "no expression at",
    "foo(1)": "no function 'foo'",
    "a.foo()": "no function 'foo'",
    "size(1, 2)": "size() takes 1, not 2",
    "'a'.matches('(')": "regular expression: missing closing )",
    "9223372036854775808": "is too large",
    "while": "a name is expected at 'while'",
    "(" * 40 + "1" + ")" * 40: "nests too deeply",
    "1" * 5000: "has more than 4096 characters",
}


@pytest.mark.parametrize("text", TAKEN)
def test_an_expression_is_taken(text: str) -> None:
    assert syntax_error(text) is None


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_what_is_no_expression_is_refused_with_a_reason(text: str) -> None:
    assert REFUSED[text] in (syntax_error(text) or "")

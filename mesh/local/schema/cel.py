"""The syntax of CEL, as Envoy's expressions take it: is a text one, and if not, why?

Facts: https://github.com/google/cel-spec/blob/master/doc/langdef.md.
"""

from __future__ import annotations

import re

from mesh.local.schema import re2

MAX_LENGTH = 4096
MAX_NESTING = 32
_ESCAPE = r"\\(?:[abfnrtv\\?\"'`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U000[0-9a-fA-F]{5}|[0-3][0-7]{2})"
_TOKEN = re.compile(
    rf"""(?:\s|//[^\n]*)*(?:
    (?P<string>[bB]?(?:"(?:[^"\\\n\r]|{_ESCAPE})*"|'(?:[^'\\\n\r]|{_ESCAPE})*')
        |[rR](?:"(?:[^"\\\n\r]|\\[^"\n\r])*"|'(?:[^'\\\n\r]|\\[^'\n\r])*'))
    |(?P<number>0x[0-9a-fA-F]+[uU]?|[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>\|\||&&|[<>=!]=|[-+*/%<>!?:.,()\[\]{{}}])
    )""",
    re.VERBOSE | re.ASCII,
)
_COMMENTS = re.compile(r"(?:\s|//[^\n]*)*")
_MAX_INT, _MAX_UINT = 2**63, 2**64
_RELATIONS = frozenset({"<", "<=", ">", ">=", "==", "!=", "in"})
_LEVELS = (frozenset({"||"}), frozenset({"&&"}), _RELATIONS, frozenset("+-"), frozenset("*/%"))
_RESERVED = frozenset(
    """
    as break const continue else for function if import in let loop package namespace return var void while
    """.split()  # noqa: SIM905 - a list would be a page
)
_METHODS = {"size": 0, "contains": 1, "startsWith": 1, "endsWith": 1, "matches": 1}
_PARTS = (
    "Date",
    "DayOfMonth",
    "DayOfWeek",
    "DayOfYear",
    "FullYear",
    "Hours",
    "Milliseconds",
    "Minutes",
    "Month",
)
_MOMENTS = frozenset(f"get{part}" for part in (*_PARTS, "Seconds"))  # a time zone may be said
_FUNCTIONS = {name: count + 1 for name, count in _METHODS.items()}
_METHODS |= dict.fromkeys(_MOMENTS, 0)
_FUNCTIONS |= dict.fromkeys(
    ("bool", "bytes", "double", "duration", "dyn", "int", "timestamp", "type", "uint"), 1
)


class _Wrong(Exception):
    pass


def syntax_error(text: str) -> str | None:
    """Why `text` is no expression, or None when it is one."""
    if len(text) > MAX_LENGTH:
        return f"has more than {MAX_LENGTH} characters"
    try:
        _Parser(_tokens(text)).parse()
    except _Wrong as error:
        return str(error)
    return None


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while match := _COMMENTS.match(text, position):
        if match.end() == len(text):
            break
        match = _TOKEN.match(text, position)
        if match is None:
            raise _Wrong(f"no expression at {text[position:].strip()[:20]!r}")
        kind = str(match.lastgroup)
        if kind == "number" and _too_large(match[kind]):
            raise _Wrong(f"{match[kind]} is too large")
        found.append((kind, match[kind]))
        position = match.end()
    return [*found, ("end", "the end")]


def _too_large(number: str) -> bool:
    if "." in number or ("e" in number.lower() and not number.startswith("0x")):
        return False
    value = int(number.rstrip("uU"), 0 if number.startswith("0x") else 10)
    return value >= (_MAX_UINT if number[-1] in "uU" else _MAX_INT)


class _Parser:
    """Reads an expression from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.selects = False  # was the last thing a field of something?

    def parse(self) -> None:
        self._expression()
        self._need("the end")

    @property
    def _next(self) -> str:
        kind, text = self.tokens[self.position]
        return text if kind in ("sign", "name", "end") else ""

    def _taken(self, *texts: str) -> bool:
        if self._next not in texts:
            return False
        self.position += 1
        return True

    def _need(self, text: str) -> None:
        if not self._taken(text):
            raise _Wrong(f"{text} is expected at {self.tokens[self.position][1]!r}")

    def _expression(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise _Wrong("nests too deeply")
        self._binary(0)
        if self._taken("?"):
            self._binary(0)
            self._need(":")
            self._expression()
        self.depth -= 1

    def _binary(self, level: int) -> None:
        if level == len(_LEVELS):
            self._unary()
            return
        self._binary(level + 1)
        while self._taken(*_LEVELS[level]):
            self._binary(level + 1)

    def _unary(self) -> None:
        sign = self._next
        while sign in ("!", "-") and self._taken(sign):
            pass
        if sign == "!" and self._next == "-" and self.tokens[self.position + 1][0] == "number":
            self._taken("-")
        selects = self._primary()
        while True:
            if self._taken("."):
                selects = self._member()
            elif self._taken("["):
                self._expression()
                self._need("]")
                selects = False
            else:
                self.selects = selects
                return

    def _member(self) -> bool:
        """What follows a point: True for a field, False for a method."""
        name = self._name(reserved=True)
        if not self._taken("("):
            return True
        self._arguments(name, _METHODS)
        return False

    def _primary(self) -> bool:
        kind, text = self.tokens[self.position]
        if kind in ("string", "number"):
            self.position += 1
        elif self._taken("("):
            self._expression()
            self._need(")")
        elif self._taken("["):
            self._listed("]", trailing=True)
        elif self._taken("{"):
            self._listed("}", trailing=True, pairs=True)
        elif self._taken(".") or kind == "name":
            self._named()
        else:
            raise _Wrong(f"an expression is expected at {text!r}")
        return False

    def _named(self) -> None:
        name = self._name()
        if name == "has" and self._taken("("):
            self._expression()
            if not self.selects:
                raise _Wrong("has() takes a field, such as request.headers")
            self._need(")")
        elif self._taken("("):
            self._arguments(name, _FUNCTIONS)

    def _name(self, *, reserved: bool = False) -> str:
        kind, text = self.tokens[self.position]
        if kind != "name" or (text in _RESERVED and not reserved) or text == "in":
            raise _Wrong(f"a name is expected at {text!r}")
        self.position += 1
        return text

    def _arguments(self, name: str, known: dict[str, int]) -> None:
        if name not in known:
            raise _Wrong(f"no function {name!r}")
        given = self._listed(")")
        if given != known[name] and not (name in _MOMENTS and given == 1):
            raise _Wrong(f"{name}() takes {known[name]}, not {given}")
        kind, text = self.tokens[self.position - 2]
        if name == "matches" and kind == "string" and (reason := re2.syntax_error(_inside(text))) is not None:
            raise _Wrong(f"matches() takes a regular expression: {reason}")

    def _listed(self, closing: str, *, trailing: bool = False, pairs: bool = False) -> int:
        count = 0
        while not self._taken(closing):
            if count:
                self._need(",")
                if trailing and self._taken(closing):
                    break
            self._expression()
            if pairs:
                self._need(":")
                self._expression()
            count += 1
        return count


def _inside(text: str) -> str:
    """What a string stands for, but for escapes other than those of a backslash."""
    return text[2:-1] if text[0] in "rR" else text[1:-1].replace("\\\\", "\\")

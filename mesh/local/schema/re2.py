"""The syntax of RE2, the regular expressions of Envoy and Istio: is a text one, and if not, why?

Facts: https://github.com/google/re2/wiki/Syntax and Go's regexp/syntax, whose words are used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mesh.local.schema.unicode_classes import CATEGORIES, SCRIPTS

MAX_REPEAT = 1000  # also of repetitions in repetitions
MAX_PROGRAM = 32_768  # steps of the compiled expression that Istio's proxy takes
MAX_NESTING = 200
MAX_ESCAPED = 0xFF  # Envoy compares bytes; a character above stands as itself

_ESCAPES = frozenset("pPdDsSwWaftnrvAbBCzQE")
_CLASS_ESCAPES = frozenset("pPdDsSwWaftnrv")
_POSIX = re.compile(r"\[:\^?([a-z]+):\]", re.ASCII)
_POSIX_NAMES = frozenset(
    [
        "alnum",
        "alpha",
        "ascii",
        "blank",
        "cntrl",
        "digit",
        "graph",
        "lower",
        "print",
        "punct",
        "space",
        "upper",
        "word",
        "xdigit",
    ]
)
_COUNT = re.compile(r"\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\}", re.ASCII)
_FLAGS = re.compile(r"\(\?([imsU]*(?:-[imsU]+)?)([:)])", re.ASCII)
_NAME = re.compile(r"\(\?P?<([A-Za-z0-9_]+)>", re.ASCII)
_UNICODE = re.compile(r"\\[pP](?:\{\^?([A-Za-z_]+)\}|([A-Z]))", re.ASCII)
_HEX = re.compile(r"\\x(?:[0-9A-Fa-f]{2}|\{([0-9A-Fa-f]{1,8})\})", re.ASCII)
_OCTAL = re.compile(r"\\(?:0[0-7]{0,2}|[1-7][0-7]{1,2})", re.ASCII)


class _Wrong(Exception):
    pass


def syntax_error(pattern: str) -> str | None:
    """Why `pattern` is no RE2, in Go's words, or None when it is one."""
    try:
        _Parser(pattern).parse()
    except _Wrong as error:
        return str(error)
    return None


@dataclass
class _Group:
    """What was read of one: the steps that it takes at least, and how often repetitions multiply in it.

    `last` are the steps of the last thing, which may still be repeated; `factor` its repetitions.
    """

    steps: int = 0
    factors: int = 1
    last: int = 0
    factor: int = 1

    def add(self, steps: int, factor: int = 1) -> None:
        self.steps, self.factors = self.steps + self.last, max(self.factors, self.factor)
        self.last, self.factor = steps, factor

    def close(self) -> tuple[int, int]:
        return self.steps + self.last, max(self.factors, self.factor)


class _Parser:
    """Reads a pattern from left to right; `repeatable` says whether the last thing may be repeated."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.depth = 0
        self.repeatable = False
        self.repeated = False
        self.names: set[str] = set()
        self.groups = [_Group()]

    def parse(self) -> None:
        while self.position < len(self.pattern):
            self._step(self.pattern[self.position])
        if self.depth:
            raise _Wrong(f"missing closing ): `{self.pattern}`")
        if self.groups[0].close()[0] > MAX_PROGRAM:
            raise _Wrong(f"expression is too large: more than {MAX_PROGRAM} steps")

    def _step(self, character: str) -> None:
        if character == "(":
            self._group()
        elif character == ")":
            if not self.depth:
                raise _Wrong(f"unexpected ): `{self.pattern}`")
            self.depth -= 1
            self._take(1, *self.groups.pop().close())
        elif character == "|":
            self.position += 1
            self.repeatable = self.repeated = False
        elif character in "*+?":
            self._repeat(character)
        elif character == "{" and (count := _COUNT.match(self.pattern, self.position)):
            self._counted(count)
        elif character == "[":
            self._class()
        elif character == "\\":
            self._escape()
        else:
            self._take(1)

    def _take(self, length: int, steps: int = 1, factor: int = 1) -> None:
        """Something that may be repeated was read."""
        self.groups[-1].add(steps, factor)
        self.position += length
        self.repeatable, self.repeated = True, False

    def _group(self) -> None:
        rest = self.pattern[self.position :]
        if not rest.startswith("(?"):
            length = 1
        elif flags := _FLAGS.match(rest):
            if flags[2] == ")":  # flags for what follows, no group
                self.position += flags.end()
                return
            length = flags.end()
        elif name := _NAME.match(rest):
            if name[1] in self.names:
                raise _Wrong(f"duplicate capture group name: `{name[1]}`")
            self.names.add(name[1])
            length = name.end()
        else:
            raise _Wrong(f"invalid or unsupported Perl syntax: `{rest[:4]}`")
        self.depth += 1
        self.groups.append(_Group())
        if self.depth > MAX_NESTING:
            raise _Wrong("expression nests too deeply")
        self.position += length
        self.repeatable = self.repeated = False

    def _repeat(self, operator: str) -> None:
        self._repeated(operator, 1)

    def _counted(self, count: re.Match[str]) -> None:
        low = int(count[1])
        high = int(count[3]) if count[3] else low
        if max(low, high) > MAX_REPEAT or high < low:
            raise _Wrong(f"invalid repeat count: `{count[0]}`")
        group = self.groups[-1]
        group.last, group.factor = group.last * high, group.factor * max(high, 1)
        if group.factor > MAX_REPEAT:
            raise _Wrong(f"invalid repeat count: `{count[0]}`")
        self._repeated(count[0], len(count[0]))

    def _repeated(self, operator: str, length: int) -> None:
        if self.repeated:
            raise _Wrong(f"invalid nested repetition operator: `{operator}`")
        if not self.repeatable:
            raise _Wrong(f"missing argument to repetition operator: `{operator}`")
        self.position += length
        if self.pattern[self.position : self.position + 1] == "?":  # lazy
            self.position += 1
        self.repeated = True

    def _escape(self) -> None:
        if self.pattern.startswith("\\Q", self.position):
            end = self.pattern.find("\\E", self.position)
            self._take((len(self.pattern) if end < 0 else end + 2) - self.position)
            return
        self._take(self._escape_length(_ESCAPES))

    def _escape_length(self, letters: frozenset[str]) -> int:
        following = self.pattern[self.position + 1 : self.position + 2]
        if not following:
            raise _Wrong("trailing backslash at end of expression: ``")
        if following in "pP":
            return self._unicode_length()
        if following in letters or (following.isascii() and not following.isalnum()):
            return 2
        if hexadecimal := _HEX.match(self.pattern, self.position):
            if hexadecimal[1] and int(hexadecimal[1], 16) > MAX_ESCAPED:
                raise _Wrong(f"invalid escape sequence: `{hexadecimal[0]}`")
            return len(hexadecimal[0])
        if octal := _OCTAL.match(self.pattern, self.position):
            return len(octal[0])
        raise _Wrong(f"invalid escape sequence: `\\{following}`")

    def _unicode_length(self) -> int:
        match = _UNICODE.match(self.pattern, self.position)
        name = (match[1] or match[2]) if match else ""
        if match is None or not (name in CATEGORIES or name in SCRIPTS):
            raise _Wrong(f"invalid character class range: `{self.pattern[self.position :][:10]}`")
        return match.end() - match.start()

    def _class(self) -> None:
        start = self.position
        self.position += 1
        if self.pattern.startswith("^", self.position):
            self.position += 1
        first = True
        while first or not self.pattern.startswith("]", self.position):
            if self.position >= len(self.pattern):
                raise _Wrong(f"missing closing ]: `{self.pattern[start:]}`")
            first = False
            self._class_part()
        self._take(1)

    def _class_part(self) -> None:
        if posix := _POSIX.match(self.pattern, self.position):
            if posix[1] not in _POSIX_NAMES:
                raise _Wrong(f"invalid character class range: `{posix[0]}`")
            self.position = posix.end()
            return
        begin = self.position
        low = self._class_character()
        is_range = self.pattern.startswith("-", self.position)
        if is_range and self.pattern[self.position + 1 : self.position + 2] not in ("]", ""):
            self.position += 1
            high = self._class_character()
            if low is None or high is None or high < low:
                raise _Wrong(f"invalid character class range: `{self.pattern[begin : self.position]}`")

    def _class_character(self) -> str | None:
        """Read one; None for an escape that stands for several or whose value does not matter here."""
        character = self.pattern[self.position : self.position + 1]
        if character != "\\":
            self.position += 1
            return character
        length = self._escape_length(_CLASS_ESCAPES)
        escape = self.pattern[self.position : self.position + length]
        self.position += length
        if escape.startswith("\\x"):
            return chr(int(escape[2:].strip("{}"), 16))
        if length == 2 and not escape[1].isalnum():
            return escape[1]
        single = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
        return single.get(escape[1]) if length == 2 else None

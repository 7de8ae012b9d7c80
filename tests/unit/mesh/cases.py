"""Cases written as YAML with the expected finding beside the line that causes it.

A file begins with what every case of it shares; `#### sentence` begins a case. `# ! FIELD: WORDS` at the
end of a line expects an error there about that field, with these words in it; `# ? ...` a warning. A case
that begins with its own `apiVersion` leaves out what is shared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mesh.local.model import Finding

_MARK = re.compile(r"# ([!?]) (.*?)(?= # [!?] |$)", re.MULTILINE)
_FIELD = re.compile(r'((?:[\w-]|\.(?=[\w-])|\[\d+\]|\["[^"]*"\])*): (.*)')


@dataclass(frozen=True)
class Expected:
    line: int
    level: str
    field: str
    words: str

    def meets(self, found: Finding) -> bool:
        place = (found.line, found.level, found.field)
        return place == (self.line, self.level, self.field) and self.words in found.message


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    expected: tuple[Expected, ...]


def read(folder: Path) -> list[Case]:
    """Every case of every file in the folder."""
    return [case for file in sorted(folder.glob("*.yaml")) for case in _cases(file)]


def _cases(file: Path) -> list[Case]:
    shared, *blocks = re.split(r"^#### ", file.read_text(), flags=re.MULTILINE)
    cases = []
    for block in blocks:
        name, _, body = block.partition("\n")
        text = body if body.startswith("apiVersion:") else shared + body
        cases.append(Case(f"{file.stem}: {name}", text, tuple(expected(text))))
    return cases


def expected(text: str) -> list[Expected]:
    """The findings that the marks of a text expect."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for mark, rest in _MARK.findall(line):
            field = _FIELD.match(rest.strip())
            assert field is not None, f"no FIELD: WORDS in {rest!r}"
            level = "error" if mark == "!" else "warning"
            found.append(Expected(number, level, field[1], field[2].strip()))
    return found


def unmet(case: Case, findings: list[Finding], level: str) -> list[str]:
    """What was expected and not found, and the other way round."""
    rest = [found for found in findings if found.level == level]
    missing = []
    for expected in case.expected:
        if expected.level != level:
            continue
        met = next((found for found in rest if expected.meets(found)), None)
        if met is None:
            missing.append(f"missing {expected}")
        else:
            rest.remove(met)
    return [*missing, *(f"unexpected {found}" for found in rest)]

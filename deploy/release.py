"""A release: its tag, the package, the images and the changelog have one version; the changelog is its notes.

The chart has a version of its own beside the one of what it installs: it also changes by itself.

python -m deploy.release check v1.2.3     fails, and says what differs
python -m deploy.release notes v1.2.3     prints the notes
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAG = re.compile(r"v(\d+\.\d+\.\d+)")
HEADING = re.compile(r"^## \[(?P<version>[^]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.M)


class NotReady(ValueError):
    """Something that a release needs is missing, or says another version."""


def version_of(tag: str) -> str:
    """`1.2.3` of `v1.2.3`. Raises NotReady."""
    found = TAG.fullmatch(tag)
    if found is None:
        raise NotReady(f"{tag} is no tag of a release: v1.2.3")
    return found[1]


def faults(tag: str, root: Path = ROOT) -> list[str]:
    """What must be put right before `tag` is a release."""
    version = version_of(tag)
    chart = (root / "helm" / "delinkcious" / "Chart.yaml").read_text()
    dockerfile = (root / "Dockerfile").read_text()
    named = {
        "pyproject.toml": tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"],
        "appVersion in Chart.yaml": _field(chart, r'^appVersion: "(\S+)"$'),
        "Dockerfile": _field(dockerfile, r"^ARG VERSION=(\S+)$"),
    }
    found = [f"{where} says {said}, not {version}" for where, said in named.items() if said != version]
    try:
        notes(tag, root)
    except NotReady as error:
        found.append(str(error))
    return found


def notes(tag: str, root: Path = ROOT) -> str:
    """What CHANGELOG.md says of a version. Raises NotReady."""
    version, text = version_of(tag), (root / "CHANGELOG.md").read_text()
    headings = list(HEADING.finditer(text))
    for heading, after in zip(headings, [*headings[1:], None], strict=True):
        if heading["version"] != version:
            continue
        if heading["date"] is None:
            raise NotReady(
                f"CHANGELOG.md does not say when {version} was released: ## [{version}] - 2026-01-31"
            )
        body = text[heading.end() : after.start() if after else len(text)].strip()
        if not body:
            raise NotReady(f"CHANGELOG.md says nothing of {version}")
        return body + "\n"
    raise NotReady(f"CHANGELOG.md has no section ## [{version}]")


def _field(text: str, pattern: str) -> str:
    found = re.search(pattern, text, flags=re.M)
    return found[1] if found else "nothing"


def main(arguments: list[str]) -> int:
    """The exit status of `check TAG` or `notes TAG`."""
    try:
        match arguments:
            case ["check", tag]:
                wrong = faults(tag)
                print("\n".join(wrong) or f"{tag} is ready", file=sys.stderr if wrong else sys.stdout)
                return 1 if wrong else 0
            case ["notes", tag]:
                print(notes(tag), end="")
                return 0
    except NotReady as error:
        print(error, file=sys.stderr)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Environments side by side on one machine: each a mesh of its own, with its own data, secrets and splits.

The policy names the namespace `delinkcious`, so an environment is not another namespace of one mesh but the
same namespace on a mesh of its own, as on a cluster of its own: nothing in one can name anything in another.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mesh.local.runtime.state import FOLDER

VARIABLE = "DELINKCIOUS_ENV"
USUAL = "dev"
RENDERS = Path("helm")
SPLITS = Path("mesh") / "splits"
NAME = re.compile(r"[a-z][a-z0-9]{0,19}")
_RENDER = re.compile(r"local-([a-z][a-z0-9]{0,19})\.yaml")


class NoEnvironment(LookupError):
    """There is no environment of that name."""


@dataclass(frozen=True)
class Environment:
    """An environment of a checkout; the usual one has the names that there were before there were others."""

    name: str
    checkout: Path

    @property
    def usual(self) -> bool:
        return self.name == USUAL

    @property
    def folder(self) -> Path:
        """Its state folder."""
        return self.checkout / (FOLDER if self.usual else f"{FOLDER}-{self.name}")

    @property
    def manifests(self) -> Path:
        """What it runs: the chart, rendered with its values."""
        return self.checkout / RENDERS / ("local.yaml" if self.usual else f"local-{self.name}.yaml")

    def splits(self, folder: Path) -> Path:
        """How its requests are divided: its own files below the state folder, or one would roll out for all.

        As on a cluster they are created once; what the checkout has new is added.
        """
        shared = self.checkout / SPLITS
        if self.usual:
            return shared
        own = folder / "splits"
        own.mkdir(parents=True, exist_ok=True)
        for file in sorted(shared.glob("*.yaml")):
            if not (own / file.name).exists():
                shutil.copyfile(file, own / file.name)
        return own


def chosen() -> str:
    """The environment that commands mean which name none: DELINKCIOUS_ENV, else the usual one."""
    return os.environ.get(VARIABLE, "") or USUAL  # noqa: TID251 - the command line's own, not a service's


def find(checkout: Path, name: str | None = None) -> Environment:
    """The environment `name`, or the chosen one. Raises NoEnvironment."""
    wanted = name or chosen()
    known = {environment.name: environment for environment in environments(checkout)}
    if wanted not in known:
        makes = f"helm/delinkcious/values-local-{wanted}.yaml and `make render` make one"
        hint = makes if NAME.fullmatch(wanted) else "a name has small letters and digits"
        raise NoEnvironment(f"there is no environment {wanted}, only {', '.join(known)}; {hint}")
    return known[wanted]


def of(checkout: Path, folder: Path) -> Environment:
    """Whose state folder it is; one that is nobody's is taken for the usual one's."""
    known = {each.folder: each for each in environments(checkout)}
    return known.get(folder, Environment(USUAL, checkout))


def environments(checkout: Path) -> Iterator[Environment]:
    """The usual one, and one for each further render of the chart."""
    yield Environment(USUAL, checkout)
    for file in sorted((checkout / RENDERS).glob("local-*.yaml")):
        if match := _RENDER.fullmatch(file.name):
            yield Environment(match[1], checkout)

"""Which journal a person means: a run by its name, a service's last run, or a file from anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from delinkcious import local
from mesh.canary.runs.folder import JOURNAL, Folder, FolderError, name_of

FOLDER = "canary"
MOST_NAMED = 5


def folder(state: Path | None) -> Folder:
    """The runs of an installation. Raises LookupError where there is no checkout."""
    return Folder(local.state(state).folder / FOLDER)


def journal(name: str | None, state: Path | None) -> Path:
    """The journal that is meant; without a name the newest run that goes on, or else the newest.

    Raises FolderError, LookupError.
    """
    if name is not None and (os.sep in name or name.endswith(JOURNAL) or Path(name).is_file()):
        return _file(Path(name))
    runs = folder(state)
    if name is not None:
        return named(runs, name)
    newest = runs.unfinished()[-1:] or runs.runs()[-1:]
    if not newest:
        raise FolderError(f"there is no run in {runs.path} yet: `delinkcious canary start` begins one")
    return newest[0]


def named(runs: Folder, name: str) -> Path:
    """The journal of a run by its name or by how that begins, or of a service's last. Raises FolderError."""
    try:
        return runs.find(name)
    except FolderError:
        found = [path for path in runs.runs() if name and name_of(path).startswith(name)]
        if not found:
            raise
    if len(found) > 1:
        names = ", ".join(name_of(path) for path in found[:MOST_NAMED])
        raise FolderError(f"the names of {len(found)} runs begin with {name}: {names}")
    return found[0]


def _file(path: Path) -> Path:
    if path.is_dir():
        raise FolderError(f"{path} is a folder; name a run's file in it")
    if not path.exists():
        raise FolderError(f"there is no file {path}")
    if not path.is_file():
        raise FolderError(f"{path} is no regular file")
    return path

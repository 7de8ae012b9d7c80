"""Istio's own definitions of its kinds, as a Kubernetes takes them, from the locked module of its API."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from delinkcious.tools import building, finding
from delinkcious.tools.catalogue import GO_MODULES, required
from delinkcious.tools.errors import ToolUnavailable

MODULE = "istio-api"
REQUIREMENT = "istio.io/api"
DEFINITIONS = Path("kubernetes") / "customresourcedefinitions.gen.yaml"

Report = Callable[[str], None]


class Downloaded(msgspec.Struct, frozen=True, rename="pascal"):
    """What Go says of a module that it fetched: the folder of its source."""

    dir: str


def version() -> str:
    """The locked version, such as `v1.32.0`."""
    return required(MODULE, REQUIREMENT)


def kept() -> Path | None:
    """The definitions, where this user has had them before."""
    file = _place()
    return file if file.is_file() else None


def definitions(report: Report = lambda line: None) -> Path:
    """A file of CustomResourceDefinitions, several documents, brought into the cache once.

    Raises ToolUnavailable, whose text says why and what to do.
    """
    if (file := kept()) is not None:
        return file
    module = GO_MODULES / MODULE
    if not (module / "go.sum").is_file():
        raise ToolUnavailable(f"{module} is not there: tools are built from a checkout of Delinkcious")
    source = _downloaded(module, report) / DEFINITIONS
    if not source.is_file():
        raise ToolUnavailable(f"{REQUIREMENT} {version()} has no {DEFINITIONS}")
    file = _place()
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_bytes(source.read_bytes())
    partial.replace(file)
    return file


def _place() -> Path:
    return finding.cache() / MODULE / version() / DEFINITIONS.name


def _downloaded(module: Path, report: Report) -> Path:
    """Where Go put the module's source, checked against its lock."""
    cache = finding.cache()
    (cache / "logs").mkdir(parents=True, exist_ok=True)
    log = cache / "logs" / f"{MODULE}.log"
    log.write_text("")
    go = building.go(cache, report, log)
    report(f"fetching {REQUIREMENT} {version()}")
    lines: list[str] = []
    building.run([go, "mod", "download", "-json", REQUIREMENT], module, log, lines.append)
    # Go may say before it that it fetches something.
    said = "\n".join(lines[lines.index("{") :] if "{" in lines else lines)
    try:
        return Path(msgspec.json.decode(said, type=Downloaded).dir)
    except msgspec.DecodeError as error:
        raise ToolUnavailable(
            f"what Go says of {REQUIREMENT} is none of its answers: {error} (see {log})"
        ) from None

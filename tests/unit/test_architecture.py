"""Imports run one way: app -> api -> (domain, store, events) -> kit -> telemetry, and nothing points up."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("delinkcious", "services", "mesh", "telemetry", "loadtest")

# The rooms of a service, from the top; `tag_store` is a store, `bulk_api` an api. A room may import those
# below its own and its like; a module that is none of them (rules, client, settings) imports neither app
# nor api.
LEVELS = {"__main__": 6, "app": 5, "api": 4, "deps": 3, "store": 2, "events": 1, "domain": 0}

# What a pure module has no business with: files, processes, sockets, clocks that wait.
IMPURE = frozenset(
    "aiohttp asyncio asyncpg httpx multiprocessing os shutil signal socket ssl subprocess tempfile "  # noqa: SIM905
    "threading urllib.request uvicorn watchfiles".split()
)
# The files of the mesh that translate, judge or decide; all others around them may touch the machine.
PURE = (
    "mesh.canary.batch",
    "mesh.canary.decision",
    "mesh.canary.dispersion",
    "mesh.canary.engine",
    "mesh.canary.evidence",
    "mesh.canary.explain",
    "mesh.canary.guards",
    "mesh.canary.kubernetes.asked",
    "mesh.canary.kubernetes.patches",
    "mesh.canary.kubernetes.pods",
    "mesh.canary.ladder",
    "mesh.canary.model",
    "mesh.canary.pods",
    "mesh.canary.promotion",
    "mesh.canary.references",
    "mesh.canary.signals.arms",
    "mesh.canary.signals.counters",
    "mesh.canary.signals.matrix",
    "mesh.canary.signals.past",
    "mesh.canary.signals.source",
    "mesh.canary.state",
    "mesh.canary.views.explaining",
    "mesh.canary.views.story",
    "mesh.canary.views.summary",
    "mesh.canary.views.waiting",
    "mesh.canary.views.words",
    "mesh.canary.wealth",
    "mesh.console.rollouts.plots",
    "mesh.local.translate",
    "mesh.local.schema",
    "mesh.local.model",
    "mesh.local.snapshot",
    "mesh.local.check",
)

DOMAIN_IMPORTS = sys.stdlib_module_names - IMPURE | {"msgspec"}

# Code only: blank lines, comments and docstrings are free.
MAX_KIT_CODE_LINES = 1_500


def modules(root: Path) -> dict[str, ast.Module]:
    """Every module of the rooms under `root`, parsed, by its dotted name."""
    found = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(), str(path))
    return found


def imports(name: str, tree: ast.Module, known: set[str]) -> Iterator[tuple[str, int]]:
    """The modules that `tree` imports anywhere in it, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".")[: len(name.split(".")) - node.level]
                base = ".".join([*package, base] if base else package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in known else base), node.lineno


def faults(root: Path) -> list[str]:
    """Every arrow that points up, as `module:line imports module: why`."""
    trees = modules(root)
    known = set(trees)
    found = []
    for name, tree in trees.items():
        for target, line in imports(name, tree, known):
            why = fault(name, target)
            if why:
                found.append(f"{name}:{line} imports {target}: {why}")
    return found


def fault(name: str, target: str) -> str:
    """Why `name` may not import `target`; empty when it may."""
    if name.startswith(PURE) and (target in IMPURE or target.split(".")[0] in IMPURE):
        return "a pure module does no I/O"
    room, other = name.split(".")[0], target.split(".")[0]
    if other == "tests":
        return "the product does not know its tests"
    if room == "services" and name.endswith(".domain") and other not in DOMAIN_IMPORTS | set(ROOMS):
        return "a domain imports the standard library and msgspec only"
    if other not in ROOMS or room == "delinkcious":
        return ""
    if other == "delinkcious":
        return "nothing imports the command line"
    if room == "loadtest" and other != "loadtest":
        return "load knows Delinkcious by its public interface only"
    if other == "loadtest" and room != "loadtest":
        return "only the command line sends load"
    if room == "telemetry" and other != "telemetry":
        return "telemetry is the lowest room"
    if (room == "mesh" and other == "services") or (room == "services" and other == "mesh"):
        return "the application and the mesh do not know each other"
    if room == other == "services":
        return _between_services(name.split("."), target.split("."))
    return ""


def _between_services(name: list[str], target: list[str]) -> str:
    if len(name) < 2 or len(target) < 2:
        return ""
    if name[1] == "kit":
        return "" if target[1] == "kit" else "the kit knows no service"
    if target[1] == "kit":
        if name[-1] == "domain":
            return "a domain imports the standard library and msgspec only"
        return ""
    if name[1] != target[1]:
        return "" if target[2:] == ["client"] else "services meet at client.py only"
    if len(name) < 3 or len(target) < 3:
        return ""
    mine, theirs = level(name[-1]), level(target[-1])
    if theirs is None or (mine is None and theirs < LEVELS["api"]):
        return ""
    return "an arrow that points up" if mine is None or theirs > mine else ""


def level(module: str) -> int | None:
    return LEVELS.get(module, LEVELS.get(module.rpartition("_")[2]))


def test_imports_run_one_way(repository: Path) -> None:
    assert not faults(repository)


def plant(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("services/links/domain.py", "from services.links import store", "points up"),
        ("services/links/store.py", "from services.links.api import add", "points up"),
        ("services/links/api.py", "from . import app", "points up"),
        ("services/links/events.py", "from services.links.store import S", "points up"),
        ("services/links/api.py", "def f():\n    import services.links.app", "points up"),
        ("services/links/search/query.py", "from services.links.app import create", "points up"),
        ("services/links/domain.py", "from services.kit.db import Database", "msgspec only"),
        ("services/links/api.py", "from services.users.store import Store", "client.py only"),
        ("services/links/api.py", "from services.users import store", "client.py only"),
        ("services/links/domain.py", "import asyncpg", "msgspec only"),
        ("services/kit/db.py", "from services.links import domain", "knows no service"),
        ("telemetry/logs.py", "from services.kit import settings", "lowest room"),
        ("mesh/local/model.py", "import services.kit", "do not know each other"),
        ("services/kit/run.py", "import delinkcious", "nothing imports the command line"),
        ("mesh/local/translate/gateway.py", "import subprocess", "no I/O"),
        ("mesh/canary/decision.py", "import asyncio", "no I/O"),
        ("mesh/local/translate/gateway.py", "from os import path", "no I/O"),
        ("loadtest/journeys.py", "from services.links.client import LinksClient", "public interface only"),
        ("loadtest/journeys.py", "import delinkcious", "nothing imports the command line"),
        ("services/links/store.py", "from loadtest import vocabulary", "only the command line"),
        ("services/links/api.py", "from tests.conftest import x", "does not know its tests"),
    ],
)
def test_a_planted_upward_import_is_found(tmp_path: Path, path: str, text: str, why: str) -> None:
    plant(
        tmp_path,
        {
            "services/links/__init__.py": "",
            "services/links/app.py": "from services.links import api",
            "services/links/api.py": "from .domain import x\nfrom services.links.store import S",
            "services/links/store.py": "from services.links.domain import Link\nfrom services.kit import db",
            "services/links/domain.py": "import msgspec",
            "services/links/tag_store.py": "from services.links.store import Store",
            "services/links/events.py": "",
            "services/users/store.py": "",
            "services/users/client.py": "",
            "services/kit/db.py": "import asyncpg\nfrom telemetry import logs",
            "telemetry/logs.py": "import structlog",
            "loadtest/journeys.py": "from loadtest import vocabulary",
            "loadtest/vocabulary.py": "",
            "delinkcious/up.py": "from services.links import app\nimport mesh.local, loadtest.journeys",
        },
    )
    assert faults(tmp_path) == []
    plant(tmp_path, {path: text})
    (found,) = faults(tmp_path)
    assert why in found
    assert found.startswith(path.removesuffix(".py").replace("/", "."))


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor comment nor docstring."""
    text = path.read_text()
    tree = ast.parse(text)
    words: set[int] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            words |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in words
        for number, line in enumerate(text.splitlines(), 1)
    )


@pytest.mark.parametrize("package", ["", "serving", "grpc", "events", "live"])
def test_the_kit_stays_small(repository: Path, package: str) -> None:
    files = sorted((repository / "services" / "kit" / package).glob("*.py"))
    assert sum(map(code_lines, files)) <= MAX_KIT_CODE_LINES
    for path in files:
        assert len(path.read_text().splitlines()) <= 400, path

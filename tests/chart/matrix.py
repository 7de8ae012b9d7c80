"""The combinations of values: files of values times switches, so that every two settings meet.

Switches are found in the chart's own values: whoever adds one has it tried with all others.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.chart.manifests import Json

Path_ = tuple[str, ...]
HOST = "https://delinkcious.example"
# What a switch set so needs, as the chart says when it is missing.
NEEDS: Mapping[tuple[Path_, Any], Json] = {
    (("loadtest", "enabled"), True): {"loadtest": {"host": HOST}},
    (("canaryLoad", "enabled"), True): {"canaryLoad": {"host": HOST}},
    (("canaryLoad", "localMesh"), False): {"canaryLoad": {"host": HOST}},
    (("scheduling", "priorityClass", "create"), True): {"scheduling": {"priorityClassName": "bookmarks"}},
}
# Switches whose other setting nobody means, and why.
FIXED: Mapping[Path_, str] = {("services", "news", "migrations"): "news has no database"}
# Settings that are no switches and change what is rendered; the first of each is the chart's own.
OTHERS: Mapping[Path_, Sequence[Any]] = {
    ("gateway", "service", "type"): ("LoadBalancer", "NodePort", "ClusterIP"),
    ("imagePullSecrets",): ([], ["registry"]),
    ("prometheus", "volumeClaim"): ("", "prometheus-data"),
    ("canary", "readers"): ([], [{"ipBlock": {"cidr": "192.0.2.1/32"}}]),
    ("canary", "storageClass"): ("", "fast"),
}
# What no switch says; each stands alone.
ALONE: Mapping[str, Json] = {
    "a port that nobody calls": {
        "services": {"links": {"extraPorts": {"http-repair": 8090}, "callers": {"http-repair": []}}}
    },
}


def combinations(folder: Path) -> Iterator[tuple[str, Json]]:
    """(its name, its values) of each: one setting changed, what stands alone, rows where every two meet."""
    defaults = yaml.safe_load((folder / "values.yaml").read_text())
    factors = found_factors(defaults)
    yield "defaults", {}
    yield from ALONE.items()
    for name, values in overlays(folder):
        if name:
            yield name, values
        else:
            for path, setting in ((path, each) for path, settings in factors.items() for each in settings):
                if _at(defaults, path) != setting:
                    yield f"defaults {_said(path, setting)}", _with(values, path, setting)
        for number, row in enumerate(pairwise(factors)):
            made = values
            for path, setting in row.items():
                made = _with(made, path, setting)
            yield f"{name or 'defaults'} pairs {number}", made


def overlays(folder: Path) -> Iterator[tuple[str, Json]]:
    """The chart's own values, each file that goes over them, and those of the environments of a cluster."""
    yield "", {}
    known: dict[str, Json] = {}
    for file in sorted(folder.glob("values-*.yaml"), key=lambda file: file.stem):
        name = file.stem.removeprefix("values-")
        # `values-local-staging.yaml` goes over `values-local.yaml`.
        under = known.get(name.rpartition("-")[0], {})
        known[name] = merged(under, yaml.safe_load(file.read_text()) or {})
        yield name, known[name]
    for file in sorted(folder.parent.parent.glob("deploy/kustomize/environments/*/application/values.yaml")):
        yield file.parent.parent.name, yaml.safe_load(file.read_text()) or {}


def found_factors(defaults: Json) -> dict[Path_, Sequence[Any]]:
    """Every switch of the values, and the settings named above that these values have."""
    switches = [path for path in _switches(defaults, ()) if path not in FIXED]
    found: dict[Path_, Sequence[Any]] = dict.fromkeys(switches, (False, True))
    found |= {path: settings for path, settings in OTHERS.items() if _at(defaults, path) is not None}
    return found


def pairwise(factors: Mapping[Path_, Sequence[Any]]) -> Iterator[dict[Path_, Any]]:
    """Rows in which every setting of a factor stands with each of every other; greedy, always the same."""
    names = list(factors)
    left = {
        (a, i, b, j)
        for a, b in itertools.combinations(range(len(names)), 2)
        for i in range(len(factors[names[a]]))
        for j in range(len(factors[names[b]]))
    }
    while left:
        row = _best_row([len(factors[name]) for name in names], left)
        left -= {(a, row[a], b, row[b]) for a, b in itertools.combinations(range(len(names)), 2)}
        yield {name: factors[name][row[place]] for place, name in enumerate(names)}


def _best_row(sizes: Sequence[int], left: set[tuple[int, int, int, int]]) -> list[int]:
    """Begins with a pair that is left; each other factor gets the setting that meets most of the rest."""
    a, i, b, j = min(left)
    row: dict[int, int] = {a: i, b: j}
    for place, size in enumerate(sizes):
        if place not in row:
            row[place] = max(range(size), key=lambda setting: (_met(row, place, setting, left), -setting))
    return [row[place] for place in range(len(sizes))]


def _met(row: Mapping[int, int], place: int, setting: int, left: set[tuple[int, int, int, int]]) -> int:
    return sum(
        ((other, value, place, setting) if other < place else (place, setting, other, value)) in left
        for other, value in row.items()
    )


def _switches(values: Json, before: Path_) -> Iterator[Path_]:
    for key, value in values.items():
        if isinstance(value, bool):
            yield (*before, key)
        elif isinstance(value, dict):
            yield from _switches(value, (*before, key))


def _at(values: Any, path: Path_) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _with(values: Json, path: Path_, setting: Any) -> Json:
    made = copy.deepcopy(values)
    if isinstance(setting, bool):
        made = merged(made, NEEDS.get((path, setting), {}))
    inner = made
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = setting
    return made


def merged(under: Json, over: Json) -> Json:
    made = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = merged(made[key], value) if both else value
    return made


def _said(path: Path_, setting: Any) -> str:
    words = {True: "on", False: "off"} if isinstance(setting, bool) else {}
    return f"{'.'.join(path)}={words.get(setting, setting) if words else setting}"

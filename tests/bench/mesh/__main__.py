"""`make bench-mesh`: edits on the embedded control plane and on istiod in one run, translation, memory."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tests.bench.mesh import effect, manifests, translation
from tests.bench.mesh.effect import Effects
from tests.bench.mesh.translation import Cost
from tests.mesh.runtime.conftest import Running

EMBEDDED, ISTIOD, USUAL = "embedded", "istiod", "istiod-defaults"
# With the environment of each: the mesh's istiod waits for less than Istio's defaults before it pushes.
PLANES: dict[str, dict[str, str]] = {
    EMBEDDED: {},
    ISTIOD: {},
    USUAL: {"PILOT_DEBOUNCE_AFTER": "100ms", "PILOT_DEBOUNCE_MAX": "10s"},
}
# Goals, of a machine with two cores that does nothing else.
P99_S = 0.05
SHARE_OF_ISTIOD = 0.2  # as it is installed
UP_WITHIN_S = 180.0
# Of which kind a process is, by a word of its command line; the first that fits.
KINDS = {
    "envoy": "one sidecar (of 8)",
    "pilot-discovery": "istiod",
    "kube-apiserver": "API server and etcd",
    "etcd": "API server and etcd",
    "echo.py": "",
    "signal.pause": "",
    "": "the mesh's supervisor and guardian",
}


@dataclasses.dataclass(frozen=True)
class Measured:
    """One control plane: its edits, and PSS of its processes in MB by kind."""

    effects: Effects
    memory_mb: dict[str, float]


def measured(plane: str, edits: int) -> Measured:
    """A mesh of eight sidecars under one control plane, made for this and ended after it."""
    with tempfile.TemporaryDirectory(prefix="bench-mesh-") as folder:
        running = Running(Path(folder))
        (running.files / "platform.yaml").write_text(manifests.platform())
        try:
            running.environment = PLANES[plane]
            running.start(UP_WITHIN_S, [] if plane == EMBEDDED else ["--control-plane", ISTIOD])
            pods = running.client.get("/get/pods")
            egresses = [pod["egress"] for pod in pods]
            caller = running.pod(manifests.CALLER)["egress"]
            effects = asyncio.run(effect.measure(running.client, egresses, caller, edits))
            return Measured(effects, _memory_mb(running))
        finally:
            running.close()


def _memory_mb(running: Running) -> dict[str, float]:
    found: Counter[str] = Counter()
    assert running.process is not None
    for pid in running.members() | {running.process.pid}:
        words = " ".join(psutil.Process(pid).cmdline())
        kind = next(kind for word, kind in KINDS.items() if word in words)
        found[kind] += psutil.Process(pid).memory_full_info().pss
    del found[""]
    sizes = {kind: size / 2**20 for kind, size in found.items()}
    return {kind: size / manifests.SIDECARS if "one" in kind else size for kind, size in sizes.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _edits(planes: dict[str, Measured]) -> Table:
    table = Table("edit -> effect at the last of 8 sidecars", *planes, box=None)
    rows: dict[str, Callable[[Effects], str]] = {
        "median": lambda found: f"{statistics.median(found.effective) * 1000:.0f} ms",
        "p99": lambda found: f"{percentile(found.effective, 0.99) * 1000:.0f} ms",
        "apply returns, median": lambda found: f"{statistics.median(found.returned) * 1000:.0f} ms",
        "edits": lambda found: str(len(found.effective)),
        "requests meanwhile": lambda found: str(found.answers.total()),
        "failed": lambda found: str(found.failed),
    }
    for name, show in rows.items():
        table.add_row(name, *(show(each.effects) for each in planes.values()))
    found = shares(planes)
    table.add_row(
        "embedded's share of its median", *(f"{found[each]:.2f}" if each in found else "" for each in planes)
    )
    return table


def _memory(planes: dict[str, Measured]) -> Table:
    table = Table("memory, MB (PSS)", *planes, box=None)
    kinds = dict.fromkeys(kind for each in planes.values() for kind in each.memory_mb)
    for kind in sorted(kinds):
        sizes = [each.memory_mb.get(kind) for each in planes.values()]
        table.add_row(kind, *("-" if size is None else f"{size:.0f}" for size in sizes))
    return table


def _translation(costs: Sequence[Cost]) -> Table:
    table = Table("translation of one edit", "services", "1 sidecar", "8 sidecars", "all anew", box=None)
    for cost in costs:
        seconds = (cost.one_s, cost.eight_s, cost.first_s)
        table.add_row(cost.kind, str(cost.services), *(f"{each * 1000:.1f} ms" for each in seconds))
    return table


def shares(planes: dict[str, Measured]) -> dict[str, float]:
    """The embedded control plane's median time from an edit to its effect, in those of the others."""
    medians = {plane: statistics.median(each.effects.effective) for plane, each in planes.items()}
    ours = medians.pop(EMBEDDED, None)
    return {} if ours is None else {plane: ours / its for plane, its in medians.items()}


def missed(planes: dict[str, Measured], costs: Sequence[Cost]) -> list[str]:
    """The goals that are not met, in words."""
    found = []
    ours = planes[EMBEDDED].effects.effective if EMBEDDED in planes else []
    if ours and percentile(ours, 0.99) > P99_S:
        found.append(f"p99 above {P99_S * 1000:.0f} ms")
    if (share := shares(planes).get(USUAL, 0)) > SHARE_OF_ISTIOD:
        found.append(f"{share:.2f} of istiod's time, more than {SHARE_OF_ISTIOD}")
    found += [f"{plane}: requests failed" for plane, each in planes.items() if each.effects.failed]
    found += [
        f"{cost.kind} at {cost.services} services: more than {translation.GOAL_S * 1000:.0f} ms"
        for cost in costs
        if cost.one_s > translation.GOAL_S
    ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-mesh", description=__doc__)
    parser.add_argument("--control-plane", choices=list(PLANES), action="append", help="only this one")
    parser.add_argument("--edits", type=int, default=effect.EDITS)
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    chosen = parser.parse_args()
    wanted = chosen.control_plane or PLANES
    if {ISTIOD, USUAL} & set(wanted):
        tools = [sys.executable, "-m", "delinkcious", "tools", "install", "--istiod"]
        subprocess.run(tools, check=True, timeout=3_600)
    costs = translation.measure()
    planes = {plane: measured(plane, chosen.edits) for plane in wanted}
    if chosen.output == "json":
        found: dict[str, Any] = {name: dataclasses.asdict(each) for name, each in planes.items()}
        print(
            json.dumps(
                {
                    **found,
                    "shares": shares(planes),
                    "translation": [dataclasses.asdict(cost) for cost in costs],
                },
                indent=2,
            )
        )
    else:
        for table in (_edits(planes), _translation(costs), _memory(planes)):
            Console().print(table, "")
        print(f"{os.cpu_count()} cores")
    sys.exit("; ".join(wrong) if (wrong := missed(planes, costs)) else 0)


if __name__ == "__main__":
    main()

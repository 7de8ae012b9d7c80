"""`make bench-capacity`: the capacity curve of an installation of its own, written for the README.

`docs/capacity.json` has the figures with machine and date; `docs/capacity.svg` is drawn of it, in colours for
the light and for the dark. `--of FILE.json` draws a curve that was measured before.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import msgspec

from delinkcious.load import charts, knee
from delinkcious.load.capacity import Capacity
from tests.bench.running import Installation, installation

DOCS = Path(__file__).parents[2] / "docs"
ACCOUNTS = 100
MEASURED_WITHIN_S = 1_200.0
# As on the pages of reports; a picture brings its own.
COLOURS = """<style>
svg { background: #fff !important; font-family: sans-serif !important; --ink: #1c2126; --faint: #d5dae0;
  --series-1: #1565c0; --series-2: #b3261e; --series-3: #7b1fa2; --series-4: #00796b; }
@media (prefers-color-scheme: dark) {
  svg { background: #14181c !important; --ink: #e6e9ec; --faint: #39424c;
    --series-1: #82b1ff; --series-2: #ff8a80; --series-3: #d6a4ff; --series-4: #80cbc4; }
}</style>"""


def measure(running: Installation, report: Path) -> Path:
    """Run it; the file with its figures."""
    arguments = ("load", "capacity", "--accounts", str(ACCOUNTS), "--report", str(report))
    print(running.call(*arguments, timeout_s=MEASURED_WITHIN_S))
    return report.with_suffix(".json")


def publish(figures: Path) -> None:
    """Put figures and picture where the README shows them."""
    measured = msgspec.json.decode(figures.read_bytes(), type=Capacity)
    verdict = knee.judge(measured.points)
    found = msgspec.structs.replace(measured, script="make bench-capacity", verdict=verdict)
    drawn = charts.curve(found)[0]
    begin = drawn.index(">", drawn.index("<svg")) + 1
    (DOCS / "capacity.svg").write_text(f"{drawn[:begin]}{COLOURS}{drawn[begin:]}\n")
    (DOCS / "capacity.json").write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-capacity", description=__doc__)
    parser.add_argument("--of", type=Path, metavar="FILE.json", help="draw what was measured before")
    chosen = parser.parse_args()
    if chosen.of is not None:
        publish(chosen.of)
        return
    with installation() as running, tempfile.TemporaryDirectory() as folder:
        publish(measure(running, Path(folder) / "capacity"))


if __name__ == "__main__":
    main()

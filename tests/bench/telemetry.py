"""`make bench-telemetry`: what telemetry costs the process of `GET /api/v1/links?limit=20`, in one run.

(off) no trace context, no request metrics; (1 %) the default share of requests with spans; (100 %) all of
them, sent to a real Jaeger. Rounds alternate; a ratio is to (off) of the same round, the median is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from tests.bench.__main__ import PATH
from tests.bench.cpu import Layer
from tests.bench.load import Target, get
from tests.bench.running import account, alone, await_collector, installation, measure, show, summary

# The share of requests/s that has to be left.
GOALS = {"1 %": 0.90, "100 %": 0.70}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-telemetry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    chosen = parser.parse_args()
    # Spans go where they go in earnest; what has to be compiled is, before anything is measured.
    subprocess.run(
        [sys.executable, "-m", "delinkcious", "tools", "install", "jaeger"], check=True, timeout=1_800
    )
    with installation() as running:
        await_collector(running)
        url = running.url
        token = account(url, running.trust()).token
        pod = running.pod("links")
        asked = get(PATH, "links", [("authorization", f"Bearer {token}")])
        with (
            alone(pod, OTEL_SDK_DISABLED="true") as off,
            alone(pod, TRACE_RATIO="0.01") as some,
            alone(pod, TRACE_RATIO="1") as every,
        ):
            processes = {"off": off, "1 %": some, "100 %": every}
            targets = [Target(name, "127.0.0.1", one.port, asked) for name, one in processes.items()]
            layers = {name: Layer("service", (one.pid,)) for name, one in processes.items()}
            found = measure(targets, chosen.rounds, chosen.seconds, chosen.connections, layers)
            rows = summary(found, "off")
    missed = [row["what"] for row in rows if row["ratio"] < GOALS.get(row["what"], 0)]
    if chosen.output == "json":
        print(json.dumps(rows, indent=2))
    else:
        show(rows, "telemetry", "off")
        print(f"{os.cpu_count()} cores, {chosen.connections} connections, median of {chosen.rounds} rounds")
    if missed:
        sys.exit(f"costs more than it may at {', '.join(missed)}: {GOALS}")


if __name__ == "__main__":
    main()
